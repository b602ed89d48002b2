"""What readers share, on folders made by hand."""

from pathlib import Path

import pytest

from tricue.corpora.reading import find_once, find_recordings, first_of, missing_media, split_of
from tricue.types import Fault, InputError, Utterance


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_the_first_place_that_has_any_counts(tmp_path: Path) -> None:
    touched(tmp_path, "a/train.tsv", "a/dev.tsv", "deep/er/train.tsv")
    assert find_once("X", tmp_path, [["train.tsv"], ["*/train.tsv", "*/dev.tsv"], ["*/*/train.tsv"]]) == [
        tmp_path / "a/dev.tsv",
        tmp_path / "a/train.tsv",
    ]
    assert find_once("X", tmp_path, [["nothing"]]) == []


def test_two_copies_at_one_place_are_refused(tmp_path: Path) -> None:
    touched(tmp_path, "a/train.tsv", "b/train.tsv")
    with pytest.raises(InputError, match=rf"X .*{tmp_path / 'a'}, {tmp_path / 'b'}.*--data_dir"):
        find_once("X", tmp_path, [["*/train.tsv"]])


def identified(path: Path) -> tuple[str, str] | None:
    recording, _, form = path.stem.partition("-")
    return (recording, form) if form else None


def test_recordings_are_told_by_their_names_wherever_they_lie(tmp_path: Path) -> None:
    touched(
        tmp_path, "x/two-sound.WAV", "one-sound.wav", "y/z/one-face.mp4", "y/other.wav", "one-sound.txt", "._o-p.wav"
    )
    recordings, others = find_recordings(tmp_path, (".wav", ".mp4"), identified)
    assert list(recordings) == ["one", "two"] and others == ["other.wav"]
    assert recordings["one"] == {"sound": tmp_path / "one-sound.wav", "face": tmp_path / "y/z/one-face.mp4"}
    assert first_of(recordings["one"], ("voice", "face", "sound")) == tmp_path / "y/z/one-face.mp4"
    assert first_of(recordings["two"], ("face",)) is None
    with pytest.raises(InputError, match="one stands twice"):
        find_recordings(touched(tmp_path, "copy/one-sound.wav"), (".wav",), identified)


def test_only_what_others_of_the_group_have_is_missing() -> None:
    sound = Path("a.wav")
    rows = [Utterance("1", audio=sound, speaker="x"), Utterance("2", speaker="x"), Utterance("3", speaker="y")]
    reason = "{0.id} has no {1}".format
    found = list(missing_media(rows, reason, group=lambda row: row.speaker))
    assert found == [Fault("2", "audio", "2 has no audio")]
    assert [fault.id for fault in missing_media(rows, reason)] == ["2", "3"]


def test_actors_are_dealt_by_number() -> None:
    assert [split_of(actor, 2, 3) for actor in (1, 2, 3, 4)] == ["train", "train", "val", "test"]
