"""The reader of CREMA-D on small folders written by hand after the README.md of
github.com/CheyneyComputerScience/CREMA-D: names, sentences, folders, known defects, Git LFS."""

from pathlib import Path

import pytest

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.corpora.crema_d import read
from tricue.types import Fault, InputError

# the form of a pointer: github.com/git-lfs/git-lfs, docs/spec.md
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 67110\n".format("4d7a" * 16)


def touch(folder: Path, *names: str, content: str = "not decoded") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(content, encoding="utf-8")


def named(**data: object) -> Config:
    return build_config({"data": {"name": "CREMA-D", **data}}, {}, "test")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    touch(tmp_path / "AudioWAV", "1001_DFA_ANG_XX.wav", "1070_IEO_HAP_LO.wav", "._1001_DFA_ANG_XX.wav")
    touch(tmp_path / "AudioMP3", "1001_DFA_ANG_XX.mp3", "1077_ITS_NEU_XX.mp3")
    touch(tmp_path / "VideoFlash", "1001_DFA_ANG_XX.flv", "1070_IEO_HAP_LO.flv", "1077_ITS_NEU_XX.flv")
    touch(tmp_path, "README.md", "SentenceFilenames.csv")
    return tmp_path


def test_a_row_is_what_the_name_says(clone: Path) -> None:
    corpus = read(clone, Config())
    assert [(row.id, row.text, row.label, row.speaker, row.split) for row in corpus.utterances] == [
        ("1001_DFA_ANG_XX", "Don't forget a jacket.", "anger", "1001", "train"),
        ("1070_IEO_HAP_LO", "It's eleven o'clock.", "joy", "1070", "val"),
        ("1077_ITS_NEU_XX", "I think I've seen this before.", "neutral", "1077", "test"),
    ]
    assert corpus.emotions == ["anger", "disgust", "fear", "joy", "neutral", "sadness"]
    assert corpus.faults == []


def test_the_wav_wins_over_the_mp3_and_the_mp3_over_the_flv(clone: Path) -> None:
    audio = {row.id: row.audio for row in read(clone, Config()).utterances}
    assert audio["1001_DFA_ANG_XX"] == clone / "AudioWAV/1001_DFA_ANG_XX.wav"
    assert audio["1077_ITS_NEU_XX"] == clone / "AudioMP3/1077_ITS_NEU_XX.mp3"
    (clone / "AudioMP3/1077_ITS_NEU_XX.mp3").unlink()
    last = read(clone, Config()).utterances[-1]
    assert last.audio == last.video == clone / "VideoFlash/1077_ITS_NEU_XX.flv"


def test_a_missing_file_is_a_fault_and_the_row_stays(clone: Path) -> None:
    (clone / "VideoFlash/1070_IEO_HAP_LO.flv").unlink()
    corpus = read(clone, Config())
    assert corpus.faults == [Fault("1070_IEO_HAP_LO", "video", "no 1070_IEO_HAP_LO.flv")]
    assert len(corpus.utterances) == 3


def test_sound_alone_is_a_note_and_no_fault(clone: Path) -> None:
    corpus = read(clone / "AudioWAV", Config())
    assert len(corpus.utterances) == 2 and corpus.faults == []
    assert "CREMA-D: no video of any clip." in corpus.notes


def test_splits_by_actor(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{actor}_TSI_SAD_XX.wav" for actor in range(1001, 1092)))
    corpus = read(tmp_path, Config())
    splits = [row.split for row in corpus.utterances]
    assert (splits.count("train"), splits.count("val"), splits.count("test")) == (63, 13, 15)
    assert splits == sorted(splits, key=["train", "val", "test"].index)
    assert str(corpus.counts[1]) == "91 actors, as published."


def test_counts_and_other_names(clone: Path) -> None:
    touch(clone / "AudioWAV", "1092_DFA_ANG_XX.wav", "1001_DFA_JOY_XX.wav", "1001_DFA_ANG.wav", "1001_DFA_ANG_X.wav")
    corpus = read(clone, Config())
    assert list(map(str, corpus.counts)) == [
        "3 clips; published are 7,442 (difference -7,439).",
        "3 actors; published are 91 (difference -88).",
    ]
    notes = [note for note in corpus.notes if "other names" in note]
    assert notes == [
        "CREMA-D: media with other names, left out: 4 (1001_DFA_ANG.wav, 1001_DFA_ANG_X.wav, 1001_DFA_JOY_XX.wav, ...)."
    ]


def test_the_name_that_was_published_with_one_x(tmp_path: Path) -> None:
    touch(tmp_path / "AudioWAV", "1040_ITH_SAD_X.wav")
    touch(tmp_path / "VideoFlash", "1040_ITH_SAD_XX.flv")
    corpus = read(tmp_path, Config())
    (row,) = corpus.utterances
    assert (row.id, row.label) == ("1040_ITH_SAD_XX", "sadness")
    assert row.audio == tmp_path / "AudioWAV/1040_ITH_SAD_X.wav" and row.video is not None
    assert "CREMA-D: 1040_ITH_SAD_X is read as 1040_ITH_SAD_XX." in corpus.notes
    touch(tmp_path / "AudioWAV", "1040_ITH_SAD_XX.wav")
    with pytest.raises(InputError, match=r"1040_ITH_SAD_XX stands twice"):
        read(tmp_path, Config())


def test_known_defects_are_noted_and_the_rows_stay(tmp_path: Path) -> None:
    names = (
        "1076_MTI_SAD_XX", "1076_MTI_NEU_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD",
        "1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1013_WSI_SAD_XX",
        "1017_IWW_ANG_XX", "1017_IWW_FEA_XX",
    )  # fmt: skip
    touch(tmp_path, *(f"{name}.wav" for name in names))
    corpus = read(tmp_path, Config())
    assert len(corpus.utterances) == len(names)
    for name in names:
        assert any(name in note for note in corpus.notes)
    assert "CREMA-D: 1076_MTI_SAD_XX, as published: no sound, an error picture." in corpus.notes
    pair = "CREMA-D: 1006_TIE_HAP_XX and 1006_TIE_NEU_XX are the same recording as published, so one label is wrong."
    assert pair in corpus.notes


def test_a_name_that_stands_twice_is_an_error(clone: Path) -> None:
    touch(clone / "copy", "1001_DFA_ANG_XX.wav")
    with pytest.raises(InputError, match=r"1001_DFA_ANG_XX stands twice") as caught:
        read(clone, Config())
    assert str(clone / "copy/1001_DFA_ANG_XX.wav") in str(caught.value)
    assert str(clone / "AudioWAV/1001_DFA_ANG_XX.wav") in str(caught.value)


def test_a_clone_without_git_lfs(tmp_path: Path) -> None:
    touch(tmp_path / "AudioWAV", "1001_DFA_ANG_XX.wav", content=POINTER)
    touch(tmp_path / "VideoFlash", "1001_DFA_ANG_XX.flv", content=POINTER)
    with pytest.raises(InputError, match=r"2 of 2 media files are Git LFS pointers.*`git lfs pull`"):
        read(tmp_path, Config())


def test_half_of_the_files_are_pointers(clone: Path) -> None:
    touch(clone / "AudioWAV", "1001_DFA_ANG_XX.wav", content=POINTER)
    with pytest.raises(InputError, match=r"1 of 7 media files are Git LFS pointers.*`git lfs pull`"):
        read(clone, Config())


def test_the_sound_pulled_and_the_video_left(clone: Path) -> None:
    touch(clone / "VideoFlash", *(path.name for path in (clone / "VideoFlash").iterdir()), content=POINTER)
    corpus = read(clone, Config())
    assert corpus.faults == [] and all(row.video is None and row.audio for row in corpus.utterances)
    assert "CREMA-D: .flv files are Git LFS pointers still, not read." in corpus.notes
    assert "CREMA-D: no video of any clip." in corpus.notes


def test_settings(clone: Path) -> None:
    order = ["sadness", "neutral", "joy", "fear", "disgust", "anger"]
    assert read(clone, named(emotions=order)).emotions == order
    with pytest.raises(InputError, match=r"CREMA-D has anger, which data\.emotions lacks"):
        read(clone, named(emotions=order[:-1]))
    with pytest.raises(InputError, match=r"no label set 'votes'\. Known: emotions"):
        read(clone, named(labels="votes"))


def test_a_folder_that_is_not_the_corpus(tmp_path: Path) -> None:
    touch(tmp_path, "README.md", "SentenceFilenames.csv")
    wanted = r"No CREMA-D clips in .*found README\.md, SentenceFilenames\.csv.*git lfs clone"
    with pytest.raises(InputError, match=wanted):
        read(tmp_path, Config())
    with pytest.raises(InputError, match="found no such folder"):
        read(tmp_path / "none", Config())
