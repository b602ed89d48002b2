"""The four files of a timeline: what is in them, that words in them stay words, and that they come together or not."""

import csv
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tricue.recording.captions import captions
from tricue.recording.segments import Segment
from tricue.recording.timeline import Entry, Timeline, as_json
from tricue.recording.timeline_files import check_folder, free_folder, write_timeline
from tricue.recording.timeline_page import clock, page
from tricue.tasks.dimensional import Dimensional
from tricue.tasks.task import Task
from tricue.types import InputError

NAMES = ["timeline.html", "timeline.csv", "timeline.json", "captions.vtt"]
HOSTILE = [
    "</script><script>document.title='ran'</script>", "<img src=x onerror=document.title='ran'>", "\"'><b>bold</b>",
    "{{ 7 * 7 }} ${7 * 7}", "<!--<script>", "]]>", "a\u2028b\x00c", "&lt;b&gt; &amp;",
]  # fmt: skip


class Reader(HTMLParser):
    """The tags of a page, and the text outside its scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts = "", list[str]()
        self._inside = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += data


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def saying(told: Timeline, texts: list[str]) -> Timeline:
    """The same recording, where somebody of that name says that and goes wrong in the same words."""
    answer = told.entries[0].prediction
    entries = [
        Entry(Segment(2.0 * i, 2.0 * i + 1.5, text, text), replace(answer, error=text)) for i, text in enumerate(texts)
    ]
    return replace(told, entries=entries)


def test_the_files(told: Timeline, tmp_path: Path) -> None:
    files = write_timeline(told, tmp_path / "new/folder")
    assert files == {name: tmp_path / "new/folder" / name for name in NAMES}
    assert sorted(p.name for p in (tmp_path / "new/folder").iterdir()) == sorted(NAMES)
    assert json.loads(files["timeline.json"].read_text(encoding="utf-8")) == as_json(told) | {
        "path": os.path.relpath("/nowhere/talk #1: a & b.mp4", (tmp_path / "new/folder").resolve())
    }
    assert files["captions.vtt"].read_text(encoding="utf-8") == captions(told)
    assert files["timeline.html"].read_text(encoding="utf-8") == page(told, tmp_path / "new/folder")


def test_the_table(told: Timeline, tmp_path: Path) -> None:
    first, unsure, failed = rows_of(write_timeline(told, tmp_path)["timeline.csv"])
    assert first == {
        "start": "1.000", "end": "2.500", "speaker": "Ann", "text": "Well, how nice & good", "emotion": "joy",
        "confidence": "0.823400", "p_anger": "0.100000", "p_joy": "0.823400", "p_neutral": "0.076600",
        "modalities": "text", "error": "", "note": "toy: not for real use",
    }  # fmt: skip
    assert (unsure["emotion"], unsure["confidence"], unsure["error"]) == ("uncertain", "0.400000", "audio: cut")
    assert failed["error"] == "no text to go by"
    assert [failed[c] for c in ("speaker", "text", "emotion", "confidence", "p_joy", "modalities")] == [""] * 6
    plain = [replace(e, prediction=replace(e.prediction, note=None)) for e in told.entries]
    told = replace(told, note=None, entries=plain)
    assert "note" not in rows_of(write_timeline(told, tmp_path)["timeline.csv"])[0]


SAID = {
    "labels": ({"emotions": "anger;joy", "p_anger": "0.420000", "p_joy": "0.500000", "p_neutral": "0.100000"},
               "[anger; joy]", {"emotions": ["anger", "joy"]}, [(0.0, 1.0, 0.3), (0.0, 1.0, 0.5), (0.0, 1.0, 0.6)]),
    "values": ({"valence": "3.250000", "arousal": "-0.500000"}, "[valence 3.25, arousal -0.50]",
               {"values": {"valence": 3.25, "arousal": -0.5}}, [(1.0, 5.0, 3.0), (-1.0, 1.0, 0.1)]),
}  # fmt: skip


def test_files_of_other_tasks(told_otherwise: Timeline, tmp_path: Path) -> None:
    cells, caption, entry, axes = SAID[told_otherwise.task.kind]
    files = write_timeline(told_otherwise, tmp_path)
    first, _, failed = rows_of(files["timeline.csv"])
    assert list(first)[4:-3] == list(cells) and first.items() >= cells.items()
    assert [failed[column] for column in cells] == [""] * len(cells)
    assert f"<v Ann>{caption} Well, how nice" in files["captions.vtt"].read_text(encoding="utf-8")
    content = json.loads(files["timeline.json"].read_text(encoding="utf-8"))
    assert content["entries"][0].items() >= entry.items()
    assert [(axis["low"], axis["high"], axis["mark"]) for axis in content["task"]["axes"]] == axes
    assert ("emotions" in content) == (told_otherwise.task.kind == "labels")


class Endless(Dimensional):
    """A task that knows no ranges, as a plugin's may be."""

    def range_of(self, name: str) -> tuple[float, float]:
        return Task.range_of(self, name)


def test_ends_that_are_not_known_are_null(told_otherwise: Timeline) -> None:
    endless = replace(told_otherwise, task=Endless(("a",), {}, ((0.0, 1.0, -1.0, 1.0),)), calibration=None)
    (axis,) = json.loads(json.dumps(as_json(endless), allow_nan=False))["task"]["axes"]
    assert axis["low"] is axis["high"] is None and axis["mark"] == 0.0


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x","y")', "+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1"])
def test_words_are_no_formula(told: Timeline, tmp_path: Path, text: str) -> None:
    files = write_timeline(saying(told, [text]), tmp_path)
    (row,) = rows_of(files["timeline.csv"])
    assert {row["text"], row["speaker"], row["error"]} == {"'" + text}
    assert json.loads(files["timeline.json"].read_text(encoding="utf-8"))["entries"][0]["text"] == text


@pytest.mark.parametrize("text", ["two\nlines", 'she said "a, b"; c', "Ärger – 怒り 😡", "  spaces  ", *HOSTILE])
def test_words_in_the_table_are_read_back(told: Timeline, tmp_path: Path, text: str) -> None:
    (row,) = rows_of(write_timeline(saying(told, [text]), tmp_path)["timeline.csv"])
    assert row["text"] == row["speaker"] == text


def test_words_that_are_markup_are_words_in_the_page(told: Timeline, tmp_path: Path) -> None:
    hostile = replace(saying(told, HOSTILE), note="<i>note</i>", recording=Path("/a/<b>&.mp4"))
    made, plain = Reader(page(hostile, tmp_path)), Reader(page(saying(told, ["x"] * len(HOSTILE)), tmp_path))
    assert [tag for tag, _ in made.tags] == [tag for tag, _ in plain.tags]
    for text in HOSTILE:
        assert made.text.count(text) == 3, text  # speaker, words, error
    assert not any(name.startswith("on") for _, attributes in made.tags for name in attributes)
    content = json.loads(made.scripts[0])
    assert [e["text"] for e in content["entries"]] == HOSTILE
    assert made.scripts[1:] == plain.scripts[1:] and len(made.scripts) == 2


def test_words_that_are_markup_are_words_in_captions(told: Timeline) -> None:
    for text in HOSTILE:
        _, _, cue = captions(saying(told, [text])).split("\n\n", 2)
        assert cue.count("\n") == 2 and cue.count("-->") == 1  # its times, one line, its end
        assert re.findall(r"<[^>]*>?", cue.split("\n")[1])[0].startswith("<v ") and cue.count("<") == 1


def test_the_page_finds_the_recording(told: Timeline, tmp_path: Path) -> None:
    def source(recording: Path, folder: Path) -> str | None:
        made = Reader(page(replace(told, recording=recording), folder))
        (address,) = [a["src"] for tag, a in made.tags if tag in ("video", "audio")]
        return address

    assert source(tmp_path / "talk.mp4", tmp_path / "out") == "./../talk.mp4"
    assert source(tmp_path / "out/12:30 #1 50%?.mp4", tmp_path / "out") == "./12%3A30%20%231%2050%25%3F.mp4"
    assert source(tmp_path / 'a"b.mp4', tmp_path) == "./a%22b.mp4"
    assert source(Path("talk.mp4"), Path("results/talk")) == "./../../talk.mp4"


def test_sound_alone_has_a_player_of_its_own(told: Timeline, tmp_path: Path, make_clip: object) -> None:
    sound = make_clip("a.mp4", frames=0)  # type: ignore[operator]
    assert "<audio id" in page(replace(told, recording=sound), tmp_path)
    assert "<video id" in page(told, tmp_path)  # of what cannot be opened nothing is known


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0:00"), (7.9, "0:07"), (187, "3:07"), (3599.9, "59:59"), (3753, "1:02:33")]
)
def test_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def test_old_files_stay_until_all_new_ones_are_whole(
    told: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_timeline(told, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = {name: path.read_bytes() for name, path in files.items()}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", _fails_at("captions.vtt", Path.write_text))
        with pytest.raises(OSError, match="disk full"):
            write_timeline(saying(told, ["other words"]), tmp_path)
    assert {name: path.read_bytes() for name, path in files.items()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*NAMES, "notes.txt"])
    write_timeline(saying(told, ["other words"]), tmp_path)
    assert all(files[name].read_bytes() != before[name] for name in NAMES)


def _fails_at(name: str, write: object) -> object:
    def failing(path: Path, *arguments: object, **more: object) -> object:
        if name in path.name:
            raise OSError("disk full")
        return write(path, *arguments, **more)  # type: ignore[operator]

    return failing


def test_where_nothing_can_be_written(told: Timeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(InputError, match="is a file"):
            check_folder(folder)
        with pytest.raises(InputError, match="is a file"):
            write_timeline(told, folder)
    (tmp_path / "out/timeline.csv").mkdir(parents=True)
    with pytest.raises(InputError, match="is a folder"):
        write_timeline(told, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["timeline.csv"]


def test_another_recording_keeps_its_folder(told: Timeline, tmp_path: Path) -> None:
    """`x/talk.wav`, `y/talk.wav` and `y/talk.mp3` have a folder each; the same one again takes its own."""
    names = ("x/talk.wav", "y/talk.wav", "y/talk.mp3", "z/talk.wav")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    results, given = tmp_path / "results", {}
    for name in names:
        given[name] = free_folder(results, tmp_path / name)
        write_timeline(replace(told, recording=tmp_path / name), given[name])
    assert [given[name].name for name in names] == ["talk", "talk.wav", "talk.mp3", "talk.wav (2)"]
    assert [free_folder(results, tmp_path / name) for name in names] == list(given.values())
    (tmp_path / "link.wav").symlink_to(tmp_path / "x/talk.wav")
    (tmp_path / "results").rename(tmp_path / "x/results")
    (tmp_path / "x").rename(tmp_path / "moved")  # both together
    assert free_folder(tmp_path / "moved/results", tmp_path / "moved/talk.wav").name == "talk"


def test_a_timeline_of_an_earlier_version_or_a_damaged_one(told: Timeline, tmp_path: Path) -> None:
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"")
    (tmp_path / "r/talk").mkdir(parents=True)
    for content, name in (
        ('{"recording": "talk.wav"}', "talk"), ('{"recording": "talk.mp3"}', "talk.wav"), ("{", "talk.wav"),
        ("[1]", "talk.wav"), ('{"recording": "talk.wav", "path": "../../gone/talk.wav"}', "talk"),
        ('{"path": 3}', "talk.wav"), ('{"path": "a\\u0000b"}', "talk.wav"), ("\xff", "talk.wav"),
    ):  # fmt: skip
        (tmp_path / "r/talk/timeline.json").write_bytes(content.encode("latin-1"))
        assert free_folder(tmp_path / "r", recording).name == name, content


def test_a_timeline_does_not_take_the_place_of_its_recording(told: Timeline, tmp_path: Path) -> None:
    recording = tmp_path / "captions.vtt"
    recording.write_bytes(b"")
    with pytest.raises(InputError, match="destroy the input"):
        write_timeline(replace(told, recording=recording), tmp_path)
