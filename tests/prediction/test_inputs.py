"""What is to be predicted, however it is named."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tricue.prediction.inputs import kind_of, of_file, read_inputs
from tricue.types import InputError, Utterance


def test_words_are_words() -> None:
    long = "word " * 2000  # longer than a file name may be
    unbroken = "あ" * 200  # more bytes than a file name may have
    said = ["I am so happy to see you", "Hi!", "no/such/thing", "3.14", long, unbroken, "what is clip.mp4 about"]
    assert [u.text for u in read_inputs(said)] == said
    assert read_inputs([long])[0].id == "word word word word word word word word…"
    assert read_inputs(["  two \n words "])[0].id == "two words"


def test_a_file_has_the_modalities_that_it_has(make_clip: Any) -> None:
    both, mute, sound = make_clip("both.mp4"), make_clip("mute.mp4", sound=None), make_clip("s.m4a", frames=0)
    read = read_inputs([str(both), str(mute), str(sound)])
    assert read == [
        Utterance("both.mp4", audio=both, video=both),
        Utterance("mute.mp4", video=mute),
        Utterance("s.m4a", audio=sound),
    ]


def test_what_cannot_be_opened_is_asked_for_all_so_that_the_reason_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    assert of_file(broken, "b") == Utterance("b", audio=broken, video=broken)


def test_a_folder_gives_its_media_files_by_name(make_clip: Any, tmp_path: Path) -> None:
    clip = make_clip()
    (tmp_path / "all/deep").mkdir(parents=True)
    for name in ("b.mp4", "a.MP4", "deep/c.mp4", "notes.txt"):
        shutil.copy(clip, tmp_path / "all" / name)
    assert [u.id for u in read_inputs([str(tmp_path / "all")])] == ["a.MP4", "b.mp4", "deep/c.mp4"]


def test_what_a_folder_holds_beside_media_is_named(
    make_clip: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Case folder_endings: hidden files and those of the system are passed over, in silence."""
    clip = make_clip()
    folder = tmp_path / "all"
    for name in ("a.mp4", ".hidden.mp4", "._a.mp4", ".git/b.mp4", "__MACOSX/._a.wav", "deep/LOUD.MTS"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / name)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._x.wav"):
        (folder / name).write_bytes(b"\0\5\26\7")
    os.mkfifo(folder / "pipe.wav")
    for i in range(7):
        (folder / f"notes{i}.txt").write_text("mine")
    assert [u.id for u in read_inputs([str(folder)])] == ["a.mp4", "deep/LOUD.MTS"]
    named = "8 files are no media and were skipped: notes0.txt, notes1.txt, notes2.txt, notes3.txt, notes4.txt and 3"
    assert named in caplog.text and "hidden" not in caplog.text and "Thumbs" not in caplog.text


def test_a_file_without_a_media_ending_is_read_where_it_opens_as_a_container(
    make_clip: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is read singly is read in a folder; a picture, a table and noise are no clips, whatever they open as."""
    clip = make_clip()
    folder = tmp_path / "all"
    folder.mkdir()
    for name in ("talk", "talk.bin", "b.mp4", "photo.heic"):
        shutil.copy(clip, folder / name)
    (folder / "noise.dat").write_bytes(np.random.default_rng(0).bytes(50_000))
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (folder / "rows.csv").write_text("id\n")
    assert [u.id for u in read_inputs([str(folder)])] == ["b.mp4", "talk", "talk.bin"]
    assert "4 files are no media and were skipped: noise.dat, photo.heic, photo.png, rows.csv" in caplog.text


def test_the_images_of_a_folder_count_where_it_has_no_clips(
    make_clip: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.png", "a.JPG", "deep/c.webp"):
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "all" / name)
    found = [(u.id, u.audio, u.video) for u in read_inputs([str(tmp_path / "all")])]
    assert found == [(n, None, tmp_path / "all" / n) for n in ("a.JPG", "b.png", "deep/c.webp")]
    assert read_inputs([str(tmp_path / "all/b.png")])[0].video == tmp_path / "all/b.png"
    shutil.copy(make_clip(), tmp_path / "all/clip.mp4")
    assert [u.id for u in read_inputs([str(tmp_path / "all")])] == ["clip.mp4"]
    assert "3 files are no media and were skipped: a.JPG, b.png, deep/c.webp" in caplog.text


def test_a_table_gives_its_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\nx,Hello there\ny,Go away\n")
    read = read_inputs([str(tmp_path / "rows.csv"), "And words"])
    assert [(u.id, u.text) for u in read] == [("x", "Hello there"), ("y", "Go away"), ("And words", "And words")]


def test_ids_are_told_apart() -> None:
    assert [u.id for u in read_inputs(["Hi!", "Hi!", "Ho!"])] == ["Hi! (1)", "Hi! (2)", "Ho!"]
    assert [u.id for u in read_inputs(["a", "a", "a (1)"])] == ["a (2)", "a (3)", "a (1)"]


MEANT = [
    ("gone.mp4", r'gone\.mp4: file not found.*tricue predict "gone\.mp4\."'), ("x/gone.CSV", "file not found"),
    ("face.png", "face.png: file not found"),
    ("  ", "text is empty"), ("My talk.mp4", "My talk.mp4: file not found.*append a period"),
    ("clipz/", "clipz/: folder not found"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "said"), MEANT)
def test_what_was_meant_as_a_file_and_is_none(item: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_inputs([item])


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
def test_a_pipe_and_a_device_are_no_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for item in (tmp_path / "pipe.wav", "/dev/null"):  # `<(command)` is such a pipe, too
        with pytest.raises(InputError, match=f"{item}: not a regular file"):
            kind_of(str(item))


def test_a_folder_without_media(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no media file in this folder"):
        read_inputs([str(tmp_path)])


def test_what_an_item_is(tmp_path: Path, make_clip: Any) -> None:
    """Whatever blanks are in its name."""
    make_clip("my clip.mp4")
    (tmp_path / "my clips").mkdir()
    (tmp_path / "my rows.csv").write_text("id,text\nx,Hi\n")
    names = ("my clip.mp4", "my clips", "my rows.csv")
    assert [kind_of(str(tmp_path / name)) for name in names] == ["clip", "folder", "table"]
    assert kind_of("あ" * 200) == kind_of("I saw clip.mp4.") == "words"
