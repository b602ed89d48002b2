"""The reader of RAVDESS on small folders written by hand after the published description (Livingstone and Russo,
2018; zenodo.org/records/1188976: names of seven numbers, the folders of the zips)."""

import csv
from pathlib import Path

import pytest

from tricue.config.load import build_config, load_config
from tricue.config.settings import Config
from tricue.corpora.ravdess import read
from tricue.types import Fault, InputError

REAL = Path(__file__).resolve().parents[2] / "../shared/data/ravdess"


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"not decoded")


def named(**data: object) -> Config:
    return build_config({"data": {"name": "RAVDESS", **data}}, {}, "test")


@pytest.fixture
def zips(tmp_path: Path) -> Path:
    """Two actors of the speech zips, each unpacked into a folder of its name; songs beside."""
    touch(
        tmp_path / "Audio_Speech_Actors_01-24/Actor_12",
        "03-01-06-01-02-01-12.wav",  # the published example: fearful, normal, dogs, first repetition
        "03-01-01-01-01-02-12.wav",
        "._03-01-06-01-02-01-12.wav",
    )
    touch(tmp_path / "Audio_Speech_Actors_01-24/Actor_21", "03-01-08-02-01-01-21.wav")
    touch(tmp_path / "Video_Speech_Actor_12/Actor_12", "01-01-06-01-02-01-12.mp4", "02-01-06-01-02-01-12.mp4")
    touch(tmp_path / "Audio_Song_Actors_01-24/Actor_12", "03-02-06-01-02-01-12.wav")
    touch(tmp_path / "Video_Song_Actor_12/Actor_12", "01-02-06-01-02-01-12.mp4", "02-02-06-01-02-01-12.mp4")
    return tmp_path


def test_a_row_is_what_the_name_says(zips: Path) -> None:
    corpus = read(zips, Config())
    rows = {row.id: row for row in corpus.utterances}
    assert list(rows) == ["03-01-01-01-01-02-12", "03-01-06-01-02-01-12", "03-01-08-02-01-01-21"]
    row = rows["03-01-06-01-02-01-12"]
    assert (row.text, row.label, row.speaker, row.split) == (
        "Dogs are sitting by the door.", "fear", "12", "train",
    )  # fmt: skip
    assert row.audio == zips / "Audio_Speech_Actors_01-24/Actor_12/03-01-06-01-02-01-12.wav"
    assert row.video == zips / "Video_Speech_Actor_12/Actor_12/01-01-06-01-02-01-12.mp4"
    assert rows["03-01-08-02-01-01-21"].label == "surprise"
    assert corpus.emotions == [
        "neutral", "calm", "joy", "sadness", "anger", "fear", "disgust", "surprise",
    ]  # fmt: skip


def test_a_video_that_others_of_the_actor_have_is_a_fault(zips: Path) -> None:
    corpus = read(zips, Config())
    reason = "neither 01-01-01-01-01-02-12.mp4 nor 02-01-01-01-01-02-12.mp4"
    assert corpus.faults == [Fault("03-01-01-01-01-02-12", "video", reason)]
    assert "RAVDESS: no video of actor 21." in corpus.notes


def test_songs_are_left_out_and_counted(zips: Path) -> None:
    assert "RAVDESS: songs left out: 3 files." in read(zips, Config()).notes


def test_sound_and_picture_from_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path / "Actor_01", "01-01-03-01-01-01-01.mp4", "02-01-03-01-01-01-01.mp4")
    touch(tmp_path / "Actor_01", "02-01-04-01-01-01-01.mp4")
    both, picture = read(tmp_path, Config()).utterances
    assert both.id == "01-01-03-01-01-01-01" and both.audio == both.video
    assert picture.id == "02-01-04-01-01-01-01" and picture.audio is None and picture.video is not None
    reason = "neither 03-01-04-01-01-01-01.wav nor 01-01-04-01-01-01-01.mp4"
    assert read(tmp_path, Config()).faults == [Fault(picture.id, "audio", reason)]


def test_sound_alone_is_a_note_and_no_fault(tmp_path: Path) -> None:
    touch(tmp_path / "audio", "03-01-03-01-01-01-05.flac", "03-01-03-01-01-01-06.flac")
    corpus = read(tmp_path, Config())
    assert len(corpus.utterances) == 2 and corpus.faults == []
    assert "RAVDESS: no video of any actor." in corpus.notes
    assert read(tmp_path / "audio", Config()) == corpus


def test_splits_by_actor(tmp_path: Path) -> None:
    touch(tmp_path, *(f"03-01-03-01-01-01-{actor:02d}.wav" for actor in range(1, 25)))
    splits = [(row.speaker, row.split) for row in read(tmp_path, Config()).utterances]
    assert [actor for actor, split in splits if split == "train"] == [f"{n:02d}" for n in range(1, 17)]
    assert [actor for actor, split in splits if split == "val"] == ["17", "18", "19", "20"]
    assert [actor for actor, split in splits if split == "test"] == ["21", "22", "23", "24"]


def test_counts(zips: Path) -> None:
    corpus = read(zips, Config())
    assert list(map(str, corpus.counts)) == [
        "3 speech recordings with sound; published are 1,440 (difference -1,437).",
        "2 actors; published are 24 (difference -22).",
    ]
    assert any("another number of recordings than 60: 12 (2), 21 (1)" in note for note in corpus.notes)


def test_the_recording_that_stands_under_two_names_is_noted(tmp_path: Path) -> None:
    touch(tmp_path, "03-01-03-01-02-01-07.wav")
    assert not any("same recording" in note for note in read(tmp_path, Config()).notes)
    touch(tmp_path, "03-01-03-01-02-02-07.wav")
    corpus = read(tmp_path, Config())
    same = "RAVDESS: 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are the same recording, as published."
    assert same in corpus.notes and len(corpus.utterances) == 2


def test_other_names_are_counted(zips: Path) -> None:
    # no such emotion, actor, modality; a wav that calls itself a picture; a name of another kind; no media
    names = ("03-01-09-01-01-01-01.wav", "03-01-01-01-01-01-25.wav", "04-01-01-01-01-01-01.mp4")
    touch(zips, *names, "01-01-01-01-01-01-01.wav", "holiday.mp4", "README.txt")
    corpus = read(zips, Config())
    assert len(corpus.utterances) == 3
    notes = [note for note in corpus.notes if "other names" in note]
    assert notes and notes[0].startswith("RAVDESS: media with other names, left out: 5 (01-01-01-01-01-01-01.wav")


def test_a_name_that_stands_twice_is_an_error(zips: Path) -> None:
    copy = zips / "Actor_12"
    touch(copy, "03-01-06-01-02-01-12.flac")
    with pytest.raises(InputError, match="01-06-01-02-01-12 stands twice") as caught:
        read(zips, Config())
    assert str(copy / "03-01-06-01-02-01-12.flac") in str(caught.value)
    assert str(zips / "Audio_Speech_Actors_01-24/Actor_12/03-01-06-01-02-01-12.wav") in str(caught.value)


def test_settings(zips: Path) -> None:
    shipped = load_config("ravdess")
    assert read(zips, shipped).emotions == shipped.data.emotions
    order = ["surprise", "disgust", "fear", "anger", "sadness", "joy", "calm", "neutral"]
    assert read(zips, named(emotions=order)).emotions == order
    with pytest.raises(InputError, match=r"RAVDESS has neutral, calm, which data\.emotions lacks"):
        read(zips, named(emotions=order[:-2]))
    with pytest.raises(InputError, match=r"no label set 'ekman'\. Known: emotions"):
        read(zips, named(labels="ekman"))


def test_a_folder_that_is_not_the_corpus(tmp_path: Path) -> None:
    touch(tmp_path, "holiday.mp4")
    with pytest.raises(InputError, match=r"No RAVDESS speech recordings.*found holiday\.mp4.*zenodo\.org"):
        read(tmp_path, Config())
    with pytest.raises(InputError, match="found no such folder"):
        read(tmp_path / "none", Config())


def test_songs_alone_are_not_the_corpus(tmp_path: Path) -> None:
    touch(tmp_path / "Actor_12", "03-02-06-01-02-01-12.wav")
    with pytest.raises(InputError, match=r"Download Audio_Speech_Actors_01-24\.zip"):
        read(tmp_path, Config())


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings (../shared/data/ravdess) are not here")
def test_the_real_recordings_agree_with_their_labels() -> None:
    rows = {row.id: row for row in read(REAL, Config()).utterances}
    with (REAL / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    assert len(rows) == len(labels) == 1200
    for label in labels:
        row = rows[label["id"]]
        assert row.audio == (REAL / label["audio"]).resolve()
        assert (row.text, row.label, row.speaker, row.split) == (
            label["text"], label["emotion"], label["speaker"], label["split"],
        )  # fmt: skip
