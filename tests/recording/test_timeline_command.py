"""`tricue predict` of a long recording: what it writes where, its exit status, what it refuses before it begins."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tricue.cli import main
from tricue.recording import timeline

SRT = "1\n00:00:00,200 --> 00:00:00,900\nANN: Good morning.\n\n2\n00:00:01,000 --> 00:00:01,900\nGo away!\n"


@pytest.fixture
def place(tmp_path: Path, make_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a recording of two seconds and its subtitles."""
    monkeypatch.chdir(tmp_path)
    make_clip("talk.mp4")
    (tmp_path / "talk.srt").write_text(SRT)
    return tmp_path


def predict(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *map(str, arguments), "--quiet"])
    return int(stopped.value.code or 0)


def rows(folder: str) -> list[dict[str, str]]:
    with Path(folder, "timeline.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_by_subtitles(place: Path, make_model: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("talk.mp4", "--subtitles", "talk.srt", "--model_path", make_model(["text", "audio"])) == 0
    assert sorted(p.name for p in Path("results/talk").iterdir()) == [
        "captions.vtt", "timeline.csv", "timeline.html", "timeline.json"
    ]  # fmt: skip
    told = rows("results/talk")
    assert [(r["start"], r["speaker"], r["text"], r["modalities"]) for r in told] == [
        ("0.200", "ANN", "Good morning.", "text+audio"),
        ("1.000", "", "Go away!", "text+audio"),
    ]
    assert "results/talk/timeline.html" in capsys.readouterr().out


def test_a_cue_whose_times_cannot_be_read_is_named_wherever_the_timeline_is_seen(
    place: Path, make_model: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    (place / "talk.srt").write_text(SRT.replace("00:00:01,000", "00:00:01.-04"))
    assert predict("talk.mp4", "--subtitles", "talk.srt", "--model_path", make_model(["text"])) == 0
    notice = "1 cue left out, whose times cannot be read: line 6 '00:00:01.-04 --> 00:00:01,900'"
    assert [r["text"] for r in rows("results/talk")] == ["Good morning."]
    assert caplog.messages.count(notice) == 1
    assert json.loads(Path("results/talk/timeline.json").read_text())["notices"] == [notice]
    assert "1 cue left out" in Path("results/talk/timeline.html").read_text()


def test_in_windows(place: Path, make_model: Callable[..., Path]) -> None:
    model = make_model(["audio"])
    assert predict("talk.mp4", "--windows", 1, "--out", "cut", "--abstain", 1, "--model_path", model) == 0
    assert [(r["start"], r["emotion"], r["text"]) for r in rows("cut")] == [
        ("0.000", "uncertain", ""), ("1.000", "uncertain", "")
    ]  # fmt: skip


def test_a_segment_without_an_answer_is_told_by_the_exit_status(
    place: Path, make_model: Callable[..., Path], make_clip: Callable[..., Path]
) -> None:
    make_clip("mute.mp4", sound=None)
    assert predict("mute.mp4", "--windows", 1, "--model_path", make_model(["audio"])) == 1
    assert all(r["error"] and not r["emotion"] for r in rows("results/mute"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--windows", "1"], "--subtitles or --transcribe"),  # the model reads words alone
        (["--subtitles", "talk.srt", "--windows", "1"], "leave out --windows"),
        (["--subtitles", "talk.srt", "--transcribe"], "leave out --windows, --transcribe"),
        (["--windows", "1", "--output_file", "a.csv"], "give --out FOLDER"),
        (["--windows", "1", "--store", "kept"], "leave out --store"),
        (["--subtitles", "gone.srt"], "no file gone.srt"),
        (["--subtitles", "talk.srt", "--out", "talk.srt"], "is a file"),
    ],
)
def test_what_is_refused_before_it_begins(
    place: Path,
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(timeline, "make_timeline", None)
    assert predict("talk.mp4", "--model_path", make_model(["text"]), *arguments) == 2
    assert said in capsys.readouterr().err and not Path("results").exists()
