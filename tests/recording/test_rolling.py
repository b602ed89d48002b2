"""Captions that roll are read once; in other files what is said twice is there twice."""

from pathlib import Path

import pytest

from tricue.recording.rolling import Caption, unrolled
from tricue.recording.subtitles import read_subtitles

YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.500 --> 00:00:02.500 align:start position:0%
\x20
well<00:00:00.800><c> I</c><00:00:01.100><c> am</c><00:00:01.500><c> thrilled</c>

00:00:02.500 --> 00:00:02.510 align:start position:0%
well I am thrilled
\x20

00:00:02.510 --> 00:00:05.000 align:start position:0%
well I am thrilled
but<00:00:03.000><c> now</c><00:00:03.500><c> I</c><00:00:03.900><c> feel</c><00:00:04.300><c> miserable</c>
"""
AS_SRT = """1
00:00:00,500 --> 00:00:02,500
well I am thrilled

2
00:00:02,500 --> 00:00:02,510
well I am thrilled

3
00:00:02,510 --> 00:00:05,000
well I am thrilled
but now I feel miserable
"""


def captions(*cues: tuple[str, ...], length: float = 1.0) -> list[Caption]:
    """Cues one after another."""
    return [Caption(i * length, (i + 1) * length, lines) for i, lines in enumerate(cues)]


def kept(cues: list[Caption]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in unrolled(cues)]


@pytest.mark.parametrize(("name", "content"), [("a.vtt", YOUTUBE), ("a.srt", AS_SRT)])
def test_rolling_captions_are_read_once(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    told = read_subtitles(tmp_path / name)
    assert [(s.start, s.end, s.text) for s in told.segments] == [
        (0.5, 2.5, "well I am thrilled"), (2.51, 5.0, "but now I feel miserable"),
    ]  # fmt: skip
    assert told.notices == ("rolling captions: 2 lines that repeat the cue before, read once",)


def test_two_and_three_lines_that_roll() -> None:
    assert kept(captions(("a",), ("a", "b"), ("b", "c"), ("c", "d"))) == [("a",), ("b",), ("c",), ("d",)]
    assert kept(captions(("a", "b", "c"), ("b", "c", "d"), ("c", "d", "e"))) == [
        ("a", "b", "c"), ("d",), ("e",),
    ]  # fmt: skip


def test_what_is_said_again_is_kept_where_captions_roll() -> None:
    rolling = captions(("so", "no"), ("no", "no"), ("no", "why"), ("why", "not"))
    assert kept(rolling) == [("so", "no"), ("no",), ("why",), ("not",)]
    shouted = captions(("a b c", "d"), ("d", "No!"), ("No!", "Yes"), ("Yes",), ("Yes",))
    assert kept(shouted)[-2:] == [(), ("Yes",)]  # carried over, and said again


def test_a_line_that_grows_is_one_line() -> None:
    growing = captions(("a", "to"), ("a", "today"), ("a", "today we"), ("today we", "go"), ("go", "home"))
    assert [(c.start, c.lines) for c in unrolled(growing)] == [
        (0.0, ()), (0.0, ()), (0.0, ("a", "today we")), (3.0, ("go",)), (4.0, ("home",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "ordinary",
    [
        captions(("No!",), ("No!",), ("No!",)),
        captions(("Hello",), ("Hello", "World"), ("Bye",), ("Never",)),  # once is no habit
        [Caption(0, 0.01, ("a",)), Caption(0.01, 0.02, ("a",))],
        [Caption(0, 1, ("la la",), karaoke=True), Caption(1, 2, ("la la",), karaoke=True)],
        [Caption(0, 1, ("a",)), Caption(9, 10, ("a", "b")), Caption(20, 21, ("b", "c"))],  # pauses between
        [],
    ],
)
def test_lines_that_are_said_twice_elsewhere_stay(ordinary: list[Caption]) -> None:
    assert unrolled(ordinary) == ordinary


def test_a_line_of_one_blank_ends_no_cue(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n \nHi\n\t\nthere\n\nnot said\n")
    assert [s.text for s in read_subtitles(tmp_path / "a.vtt").segments] == ["Hi there"]


def test_a_line_that_is_carried_over_brings_no_speaker(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(
        "WEBVTT\n\n00:00.000 --> 00:02.000\n<v Ann>well I am thrilled\n\n"
        "00:02.000 --> 00:04.000\n<v Ann>well I am thrilled\n<v Bob>but now I feel sad\n\n"
        "00:04.000 --> 00:06.000\n<v Bob>but now I feel sad\nand on\n"
    )
    assert [(s.speaker, s.text) for s in read_subtitles(tmp_path / "a.vtt").segments] == [
        ("Ann", "well I am thrilled"), ("Bob", "but now I feel sad"), ("Bob", "and on"),
    ]  # fmt: skip
