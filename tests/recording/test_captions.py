"""A timeline as WebVTT: what readers of captions find in it."""

from pathlib import Path

import pysubs2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tricue.recording.captions import captions
from tricue.recording.segments import Segment
from tricue.recording.subtitles import read_subtitles
from tricue.recording.timeline import Entry, Timeline
from tricue.tasks.categorical import Categorical
from tricue.types import UNCERTAIN, Prediction

# what is written is read back, but for braces (an old form of markup that readers of subtitles take out)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}\0"), max_size=30)
ANSWERS = st.sampled_from(["joy", UNCERTAIN, None])


def entry(start: float, end: float, text: str | None, speaker: str | None, emotion: str | None) -> Entry:
    chances = {"joy": 0.82, "anger": 0.18} if emotion else {}
    answer = Prediction("1", emotion, 0.82 if emotion else None, chances, ())
    return Entry(Segment(start, end, text, speaker), answer)


def timeline(*entries: Entry, note: str | None = None) -> Timeline:
    return Timeline(Path("a.mp4"), 1e6, Categorical(("anger", "joy")), None, ["text"], list(entries), note)


def test_the_whole_file(told: Timeline) -> None:
    assert captions(told) == (
        "WEBVTT\n\n"
        "NOTE\nAnswers in brackets are guesses of a model (tricue)\n"
        "toy: not for real use\n\n"
        "00:00:01.000 --> 00:00:02.500\n<v Ann>[joy 82%] Well, how nice &amp; good\n\n"
        "00:00:04.000 --> 00:00:08.000\n"
        "<v &lt;v Bob&gt;>[uncertain] &lt;/script&gt;&lt;b&gt;a --&gt; b&lt;/b&gt;\n"
    )


def test_what_is_written_is_read_back_elsewhere(told: Timeline, tmp_path: Path) -> None:
    path = tmp_path / "captions.vtt"
    path.write_text(captions(told), encoding="utf-8")
    found = pysubs2.load(str(path))
    assert [(e.start, e.end) for e in found] == [(1000, 2500), (4000, 8000)]
    assert "[joy 82%] Well, how nice" in found[0].plaintext


def test_hours_overlaps_and_order() -> None:
    made = captions(
        timeline(entry(400_000.0, 400_001.5, "late", None, "joy"), entry(3599.9996, 3599.9997, "brief", None, "joy"))
    )  # fmt: skip
    assert "01:00:00.000 --> 01:00:00.001\n[joy 82%] brief\n\n111:06:40.000 --> 111:06:41.500\n" in made


def test_words_without_an_answer_stay_and_nothing_at_all_is_left_out() -> None:
    entries = [entry(0, 1, "words", None, None), entry(1, 2, None, "Ann", None), entry(2, 3, None, None, "joy")]
    assert captions(timeline(*entries)).split("\n\n")[2:] == [
        "00:00:00.000 --> 00:00:01.000\nwords",
        "00:00:02.000 --> 00:00:03.000\n[joy 82%]\n",
    ]


@pytest.mark.parametrize("note", ["a --> b", "two\n\nparagraphs"])
def test_a_note_cannot_end_itself(note: str) -> None:
    assert captions(timeline(entry(0, 1, "words", None, "joy"), note=note)).count("\n\n") == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 10**6), TEXT, TEXT, ANSWERS), min_size=1, max_size=6))
def test_read_back(tmp_path: Path, rows: list[tuple[int, int, str, str, str | None]]) -> None:  # times in milliseconds
    made = [entry(at / 1000, (at + last) / 1000, text, who, answer) for at, last, text, who, answer in rows]
    path = tmp_path / "captions.vtt"
    path.write_text(captions(timeline(*made, entry(2e6, 2e6 + 1, "the end", None, "joy"))), encoding="utf-8")
    expected = []
    for one in sorted(made, key=lambda e: (e.segment.start, e.segment.end)):
        said = " ".join((one.segment.text or "").split())
        mark = {"joy": "[joy 82%]", UNCERTAIN: "[uncertain]", None: ""}[one.prediction.emotion]
        if words := f"{mark} {said}".strip():
            speaker = " ".join((one.segment.speaker or "").split()) or None
            expected.append((round(1000 * one.segment.start), round(1000 * one.segment.end), words, speaker))
    found = [
        (round(1000 * s.start), round(1000 * s.end), s.text, s.speaker) for s in read_subtitles(path).segments[:-1]
    ]
    if all(answer for *_, answer in rows):  # else words may look like a speaker's name and a colon
        assert found == expected
    assert [f[:2] for f in found] == [e[:2] for e in expected]
