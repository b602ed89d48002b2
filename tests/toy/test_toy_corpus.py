import hashlib
import itertools
import json
from pathlib import Path

import av
import numpy as np
import pytest

from tricue.toy import toy_corpus as toy
from tricue.toy.toy_corpus import make_toy, read, read_draws
from tricue.toy.toy_draws import EMOTIONS, draw_clips
from tricue.toy.toy_settings import ToyConfig
from tricue.toy.toy_voice import synthesise, voice_jitter
from tricue.types import InputError

SMALL = ToyConfig(
    clips={"train": 5, "val": 3, "test": 4}, speakers={"train": 3, "val": 1, "test": 2}, turns=3, seconds=0.6
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    make_toy(folder, SMALL, workers=1, progress=False)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_manifest_has_every_column_filled(corpus: Path) -> None:
    found = read(corpus)
    assert found.name == "toy" and not found.faults and len(found.utterances) == 12
    for row in found.utterances:
        assert row.text and row.speaker and row.dialogue and row.turn is not None and row.label in EMOTIONS
        assert row.audio == row.video and row.audio is not None and row.audio.is_file()
        assert row.start is None and row.end is None
    assert [draw.id for draw in read_draws(corpus)] == [row.id for row in found.utterances]
    assert read_draws(corpus) == [clip.draw for clip in draw_clips(SMALL)]
    assert read(corpus / "manifest.csv").utterances == found.utterances


def test_clips_are_real_media(corpus: Path) -> None:
    for row in read(corpus).utterances:
        with av.open(str(row.video)) as file:
            assert file.streams.video[0].codec_context.name == "h264"
            assert file.streams.audio[0].codec_context.name == "aac"
            assert file.streams.audio[0].rate == 16_000 and file.streams.audio[0].channels == 1
            pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        with av.open(str(row.audio)) as file:
            sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        assert len(pictures) == 12 and pictures[0].shape == (96, 96, 3)
        assert pictures[3].std() > 20
        assert 0.6 <= len(sound) / 16_000 < 0.6 + 0.065  # at most one codec frame more
        assert np.abs(sound).max() > 0.02


def test_decoded_sound_is_the_one_made(corpus: Path) -> None:
    clip = draw_clips(SMALL)[0]
    speaker = toy._speaker(SMALL.seed, clip.speaker)
    made = synthesise(clip.draw.voice_shows, speaker.voice,
                      voice_jitter(np.random.default_rng((*clip.seed, 1))), SMALL.seconds)  # fmt: skip
    with av.open(str(corpus / "clips" / f"{clip.draw.id}.mp4")) as file:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert np.corrcoef(made, heard[: len(made)])[0, 1] > 0.95  # no shift by the encoder's priming


def test_same_settings_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    make_toy(tmp_path / "again", SMALL, workers=1, progress=False)
    assert digests(tmp_path / "again") == digests(corpus)
    other = SMALL.model_copy(update={"seed": 8})
    make_toy(tmp_path / "other", other, workers=1, progress=False)
    assert not set(digests(tmp_path / "other").values()) & set(digests(corpus).values())


def test_worker_processes_change_nothing(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "FEW", 1)
    make_toy(tmp_path, SMALL, workers=2, progress=False)
    assert digests(tmp_path) == digests(corpus)


def test_complete_corpus_is_left_alone(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    monkeypatch.setattr(toy, "_write_clip", None)
    assert make_toy(corpus, SMALL, progress=False) == corpus / "manifest.csv"
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_killed_run_is_taken_up_again(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = toy._encode, itertools.count()

    def dies(path: Path, *rest: object) -> None:
        if next(calls) == 4:
            path.write_bytes(b"half a clip")
            raise OSError("No space left on device")
        real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(toy, "_encode", dies)
    with pytest.raises(OSError, match="No space left"):
        make_toy(tmp_path, SMALL, workers=1, progress=False)
    assert len(list((tmp_path / "clips").iterdir())) == 4  # no half clip under a name that a later run trusts
    assert not (tmp_path / "manifest.csv").exists()
    with pytest.raises(InputError, match="unfinished"):
        read(tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").iterdir()}
    make_toy(tmp_path, SMALL, workers=1, progress=False)
    assert digests(tmp_path) == digests(corpus)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_other_settings_are_refused_and_named(corpus: Path) -> None:
    before = digests(corpus)
    with pytest.raises(InputError, match=r"toy\.seed is 7 there, 8 here.*another folder"):
        make_toy(corpus, SMALL.model_copy(update={"seed": 8}), progress=False)
    assert digests(corpus) == before


def test_a_foreign_manifest_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,text\na,hello\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds another corpus"):
        make_toy(tmp_path, SMALL, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


@pytest.mark.parametrize("damage", ["not json", "{}", "format", "digest", "settings"])
def test_damaged_settings_are_refused(corpus: Path, tmp_path: Path, damage: str) -> None:
    content = json.loads((corpus / "toy.json").read_text())
    changed = {"format": content | {"format": 0}, "digest": content | {"digest": "0"},
               "settings": content | {"toy": content["toy"] | {"turns": 4}}}.get(damage)  # fmt: skip
    (tmp_path / "toy.json").write_text(json.dumps(changed) if changed else damage)
    with pytest.raises(InputError, match=r"toy\.json is damaged.*prepare toy"):
        make_toy(tmp_path, SMALL, progress=False)


def test_no_corpus_says_how_to_make_one(tmp_path: Path) -> None:
    for look in (lambda: read(tmp_path), lambda: read_draws(tmp_path)):
        with pytest.raises(InputError, match="tricue prepare toy"):
            look()
