"""`tricue extract` and its `--verify`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.commands import tricue

from tricue.modalities import reading

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def extract(tmp_path: Path, make_clip: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Say:
    """Run it on three clips, one of them silent; gives the exit status and what it said."""
    monkeypatch.chdir(tmp_path)
    for name, sound in (("a", 1.0), ("b", 1.2), ("silent", None)):
        make_clip(f"{name}.mp4", frames=12, sound=sound)
    rows = ["id,text,audio,video", *[f"{n},you are {n},{n}.mp4,{n}.mp4" for n in ("a", "b", "silent")]]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")

    def run(*more: str) -> tuple[int, str]:
        light = [f"--set=features.{modality}.encoder=light" for modality in ("text", "audio", "video")]
        status = tricue("extract", "--manifest", "rows.csv", *light, "--store", "store", "--quiet", *more)
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def counts(modality: str, stored: int, without: int = 0, lacking: int = 0, wrong: int = 0, broken: int = 0) -> str:
    return f"{modality}: stored {stored}, without {without}, lacking {lacking}, wrong {wrong}, broken {broken}\n"


def test_verify_says_what_is_there_and_extracts_nothing(
    extract: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: object, **more: object) -> None:
        raise AssertionError("it decodes")

    with monkeypatch.context() as patch:
        patch.setattr(reading, "decode", never)
        status, said = extract("--verify")
        assert status == 1 and counts("text", 0, lacking=3) in said and counts("audio", 0, lacking=3) in said
        assert not list(tmp_path.glob("store/*/shard-*"))
    status, said = extract("--modalities", "text,video")
    assert status == 0 and "text 3, video 3; 0 missing modalities" in said
    status, said = extract()
    assert status == 1 and "audio 2, video 3; 1 missing modalities" in said  # the silent one
    with monkeypatch.context() as patch:
        patch.setattr(reading, "decode", never)
        status, said = extract("--verify")
        assert status == 0
        assert counts("text", 3) + counts("audio", 2, without=1) + counts("video", 3) in said
        (tmp_path / "b.mp4").write_bytes(b"another film")
        status, said = extract("--verify")
        assert status == 1 and counts("audio", 1, without=1, lacking=1) in said and counts("text", 3) in said


def test_a_flipped_byte_is_found_and_mended(extract: Say, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    extract()
    (shard,) = tmp_path.glob("store/audio-*/shard-*.arrow")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    status, said = extract("--verify")
    assert status == 1 and counts("audio", 0, lacking=3, broken=1) in said and counts("video", 3) in said
    assert "is broken" in caplog.text and shard.name in caplog.text
    extract()
    status, said = extract("--verify")
    assert status == 0 and counts("audio", 2, without=1) in said
    content[len(content) // 2] ^= 1
    (made,) = tmp_path.glob("store/audio-*/shard-*.arrow")
    assert made.name == shard.name and made.read_bytes() == content


def test_verify_of_a_model_that_trains_its_text(extract: Say, tiny_bert: Path) -> None:
    live = ["--set", f"features.text.encoder={tiny_bert}", "--set", "model.finetune=all"]
    status, said = extract("--verify", "--modalities", "text", *live, "--set", "features.text.max_tokens=64")
    assert status == 0 and "nothing of it is stored" in said and "lacking" not in said


def test_processes_are_a_matter_of_speed_alone(extract: Say, tmp_path: Path) -> None:
    extract("--workers", "2")
    many = {path.relative_to(tmp_path / "store") for path in tmp_path.glob("store/*/*")}
    assert extract("--workers", "1", "--store", "one")[0] == 1
    assert {path.relative_to(tmp_path / "one") for path in tmp_path.glob("one/*/*")} == many


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (["--ray-address", "auto"], "--ray-address is for --engine ray"),
        (["--workers", "0"], "--workers"),
        (["--engine", "spark"], "--engine"),
    ],
)
def test_a_wrong_call_is_two(extract: Say, wrong: list[str], part: str) -> None:
    status, said = extract(*wrong)
    assert status == 2 and part in said
