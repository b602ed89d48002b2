"""Subtitles as they are found: both formats, every encoding, and what people put into them."""

import os
import time
from pathlib import Path

import pysubs2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tricue.recording import subtitles
from tricue.recording.segments import Segment
from tricue.recording.subtitles import MAX_CUES, Subtitles, read_subtitles
from tricue.types import MAX_TEXT_CHARACTERS, InputError, InvalidFileError

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> 00:01:04,000\nTwo\nlines.\n"


FUZZ = int(os.environ.get("TRICUE_FUZZ", "500"))  # examples


def subtitles_of(tmp_path: Path, content: str | bytes, name: str = "talk.srt") -> Subtitles:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_subtitles(path)


def read(tmp_path: Path, content: str | bytes, name: str = "talk.srt") -> list[Segment]:
    return subtitles_of(tmp_path, content, name).segments


def test_srt_by_hand(tmp_path: Path) -> None:
    assert read(tmp_path, SRT) == [Segment(1.0, 2.5, "Hello there."), Segment(3.0, 64.0, "Two lines.")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_and_line_ends(tmp_path: Path, newline: str, encoding: str) -> None:
    content = SRT.replace("Hello there.", "Café?").replace("\n", newline).encode(encoding)
    assert [s.text for s in read(tmp_path, content)] == ["Café?", "Two lines."]


def test_webvtt_notes_styles_regions_and_settings_are_not_said(tmp_path: Path) -> None:
    content = (
        "WEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnot said\n\nintro\n"
        "00:01.000 --> 00:02.000 align:start line:0%\n<v Ann>Hi <i>you</i> &amp; me</v>\n\n"
        "1:00:00.000 --> 1:00:01.500\n<c.loud>Hey</c> <00:00.500>there\n\nNOTE last words\n"
    )
    assert read(tmp_path, content, "talk.vtt") == [
        Segment(1.0, 2.0, "Hi you & me", "Ann"), Segment(3600.0, 3601.5, "Hey there"),
    ]  # fmt: skip


def test_overlaps_gaps_and_empty_cues(tmp_path: Path) -> None:
    content = (
        "1\n00:00:01,000 --> 00:00:05,000\nOne\n\n2\n00:00:02,000 --> 00:00:03,000\nover it\n\n"
        "3\n00:00:06,000 --> 00:00:07,000\n\n4\n00:00:08,000 --> 00:00:09,000\n<i> </i>\n\n"
        "5\n00:01:00,000 --> 00:01:01,000\nafter a gap\n"
    )
    told = read(tmp_path, content)
    assert [(s.start, s.end, s.text) for s in told] == [
        (1, 5, "One"), (2, 3, "over it"), (60, 61, "after a gap"),
    ]  # fmt: skip


def test_blank_lines_inside_a_cue_of_srt_part_nothing(tmp_path: Path) -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\nOne\n\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\n1999\n"
    assert [s.text for s in read(tmp_path, content)] == ["One two", "1999"]


def test_speakers_in_capitals_or_again_and_again(tmp_path: Path) -> None:
    def cues(*lines: str) -> str:
        return "\n\n".join(f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},900\n{line}" for i, line in enumerate(lines, 1))

    loud = read(tmp_path, cues("JOEY: How you doing?", "fine, thanks", "My advice: wait"))
    assert [(s.speaker, s.text) for s in loud] == [
        ("JOEY", "How you doing?"), (None, "fine, thanks"), (None, "My advice: wait"),
    ]  # fmt: skip
    again = read(tmp_path, cues("Ann: Hi", "- Bob: Hi\n- Ann: Oh", "Bob: Yes"))
    assert [(s.speaker, s.text) for s in again] == [("Ann", "Hi"), ("Bob, Ann", "Hi Oh"), ("Bob", "Yes")]
    notes = read(tmp_path, cues("Note: this", "Note: that"))
    assert [(s.speaker, s.text) for s in notes] == [(None, "Note: this"), (None, "Note: that")]


def test_what_is_none_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_subtitles(tmp_path / "none.srt")
    assert issubclass(InvalidFileError, InputError)
    for content in (b"", b"\x00\x01\x02\xff" * 50, b"just words", b"WEBVTT\n\n"):
        with pytest.raises(InvalidFileError, match="holds no cue"):
            read(tmp_path, content)
    with pytest.raises(InvalidFileError, match="none of its 1 cues holds a word"):
        read(tmp_path, "1\n00:00:01,000 --> 00:00:02,000\n<i></i>\n")
    monkeypatch.setattr(subtitles, "MAX_BYTES", 10)
    with pytest.raises(InvalidFileError, match="larger than"):
        read(tmp_path, SRT)


THREE = (
    "1\n00:00:01,000 --> 00:00:02,500\nI love this song.\n\n2\n{}\nGet out, I hate you!\n\n"
    "3\n00:00:05,000 --> 00:00:06,500\nMy dog died.\n"
)


@pytest.mark.parametrize("timing", ["00:00:03:000 --> 00:00:04:500", "00:00:03,0000 -> 00:00:04,5000"])
def test_a_timing_that_can_be_read_parts_cues(tmp_path: Path, timing: str) -> None:
    told = subtitles_of(tmp_path, THREE.format(timing))
    assert [(s.start, s.end, s.text) for s in told.segments] == [
        (1.0, 2.5, "I love this song."), (3.0, 4.5, "Get out, I hate you!"), (5.0, 6.5, "My dog died."),
    ]  # fmt: skip
    assert told.notices == ()


@pytest.mark.parametrize(
    "timing", ["00:00:03.-04 --> 00:00:04.500", "00:00:03:12 --> 00:00:04:10", "undefined --> undefined"]
)
@pytest.mark.parametrize("form", ["talk.srt", "talk.vtt"])
def test_a_timing_that_cannot_be_read_is_named_and_its_words_are_nobodys(
    tmp_path: Path, timing: str, form: str
) -> None:
    head = "WEBVTT\n\n" if form == "talk.vtt" else ""
    told = subtitles_of(tmp_path, head + THREE.format(timing), form)
    assert [s.text for s in told.segments] == ["I love this song.", "My dog died."]
    line = 6 + head.count("\n")
    assert told.notices == (f"1 cue left out, whose times cannot be read: line {line} {timing!r}",)


def test_many_such_timings_are_counted_and_none_left_is_an_error(tmp_path: Path) -> None:
    bad = "00:00:03.-04 --> 00:00:04.500\nWell\n\n" * 7
    (notice,) = subtitles_of(tmp_path, SRT + "\n" + bad).notices
    assert notice.startswith("7 cues left out") and notice.endswith("and 2 more")
    with pytest.raises(InvalidFileError, match="none of its 7 cues has times that can be read: line 1"):
        read(tmp_path, bad)


def test_a_cue_that_begins_before_the_recording_begins_with_it(tmp_path: Path) -> None:
    content = "-00:00:00,500 --> 00:00:02,500\nIn it\n\n-00:00:05,000 --> -00:00:03,000\nbefore\n"
    assert read(tmp_path, content) == [Segment(0.0, 2.5, "In it"), Segment(-5.0, -3.0, "before")]


def test_words_with_an_arrow_and_words_beside_a_timing_are_said(tmp_path: Path) -> None:
    content = "00:00:01,000 --> 00:00:02,000 Look:\nA -> B\n10:30 -> 11:15\n"
    assert [s.text for s in read(tmp_path, content)] == ["Look: A -> B 10:30 -> 11:15"]


def test_line_ends_that_were_doubled_end_no_cue_of_webvtt(tmp_path: Path) -> None:
    content = "WEBVTT\r\r\n\r\r\n00:01.000 --> 00:02.000\r\r\nHi\r\r\nthere\r\r\n"
    assert [s.text for s in read(tmp_path, content, "a.vtt")] == ["Hi there"]


@pytest.mark.parametrize(
    "part", ["word ", "<", "<a", "<v a", "{\\", "<1:", "&", "&#", "&#65", "A: ", "00:", "-->", "[A "]
)
def test_a_cue_of_megabytes_is_cut_quickly_with_a_notice(tmp_path: Path, part: str) -> None:
    content = "1\n00:00:01,000 --> 00:00:02,500\n" + part * (5_000_000 // len(part)) + "\n"
    begun = time.process_time()
    told = subtitles_of(tmp_path, SRT + content)
    assert time.process_time() - begun < 5  # was 80 s for 19 MB
    assert len(told.segments[-1].text or "") in (MAX_TEXT_CHARACTERS, MAX_TEXT_CHARACTERS - 1)
    (notice,) = told.notices
    assert notice.startswith("1 of 3 cues have more than 10,000 characters")


def test_more_cues_or_lines_than_any_subtitles_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_CUES == 100_000
    monkeypatch.setattr(subtitles, "MAX_CUES", 1)
    with pytest.raises(InvalidFileError, match="more than 1 cues"):
        read(tmp_path, SRT)
    monkeypatch.setattr(subtitles, "MAX_LINES", 5)
    with pytest.raises(InvalidFileError, match="more than 5 lines"):
        read(tmp_path, SRT)


@pytest.mark.parametrize("number", ["#" + "1" * 5000, "#x" + "f" * 5000, "#99999999"])
def test_a_character_reference_that_is_none_is_text(tmp_path: Path, number: str) -> None:
    content = f"00:00:01,000 --> 00:00:02,500\n<v A&{number};>Hi &{number}; &#38; you\n"
    (told,) = read(tmp_path, content)
    assert told.text == f"Hi &{number}; & you" and (told.speaker or "").startswith(f"A&{number}"[:200])


WORDS = st.lists(st.sampled_from(["well", "no", "Çok", "emotion", "7", "don't"]), min_size=1, max_size=6)
TIMES = st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**5), WORDS), min_size=1, max_size=8)


@pytest.mark.parametrize("form", ["srt", "vtt"])
@given(cues=TIMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_what_another_library_writes_is_read_as_written(
    tmp_path: Path, form: str, cues: list[tuple[int, int, list[str]]]
) -> None:
    file = pysubs2.SSAFile()
    for start, length, words in cues:
        file.append(pysubs2.SSAEvent(start=start, end=start + length, text=" ".join(words)))
    told = read(tmp_path, file.to_string(form), f"talk.{form}")
    written = sorted((start, start + length, " ".join(words)) for start, length, words in cues)
    assert sorted((round(1000 * s.start), round(1000 * s.end), s.text) for s in told) == written


PARTS = st.sampled_from([
    "1", "\n", "\n\n", "\r\n", "00:00:01,000", "00:03.5", "00:00:03:12", " --> ", " -> ", "-", "WEBVTT\n\n", "NOTE",
    "A: ", "[A] ", "<v A>", "<i>", "<00:00:01.000>", "{\\an8}", "&amp;", "&#", "9" * 5000, "\0", "\ufeff",
    "NaN:NaN:NaN", "word ", "：", "→", "\N{GRINNING FACE}",
])  # fmt: skip
CONTENT = st.one_of(
    st.binary(max_size=100),
    st.lists(PARTS | st.characters(), max_size=12).map(lambda parts: "".join(parts).encode("utf-8", "ignore")),
    st.lists(PARTS, max_size=12).map(lambda parts: "".join(parts).encode("utf-16")),
)


@given(CONTENT, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=FUZZ)
def test_fuzz_any_content_is_subtitles_or_one_clear_error(tmp_path: Path, content: bytes, framed: bool) -> None:
    """Any other exception fails the test, and so does what takes longer than it may."""
    if framed:
        content += b"\n00:00:01,000 --> 00:00:02,000\n" + content
    begun = time.process_time()
    try:
        told = subtitles_of(tmp_path, content)
    except InvalidFileError as error:
        assert "talk.srt" in str(error)
    else:
        assert told.segments and all(s.text and len(s.text) <= MAX_TEXT_CHARACTERS for s in told.segments)
        assert all(len(notice) < 1000 for notice in told.notices)
    assert time.process_time() - begun < 5
