"""Subtitles as they are found: both formats, every encoding, and what people put into them."""

from __future__ import annotations

from pathlib import Path

import pysubs2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tricue.recording import subtitles
from tricue.recording.segments import Segment
from tricue.recording.subtitles import read_subtitles
from tricue.types import InputError

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> 00:01:04,000\nTwo\nlines.\n"


def read(tmp_path: Path, content: str | bytes, name: str = "talk.srt") -> list[Segment]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_subtitles(path).segments


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
        return "\n\n".join(
            f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},900\n{line}" for i, line in enumerate(lines, 1)
        )

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
    for content in (b"", b"\x00\x01\x02\xff" * 50, b"just words", b"WEBVTT\n\n"):
        with pytest.raises(InputError, match="holds no cue"):
            read(tmp_path, content)
    with pytest.raises(InputError, match="none of its 1 cues holds a word"):
        read(tmp_path, "1\n00:00:01,000 --> 00:00:02,000\n<i></i>\n")
    monkeypatch.setattr(subtitles, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="larger than"):
        read(tmp_path, SRT)


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


@given(st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_subtitles_or_one_clear_error(tmp_path: Path, content: bytes) -> None:
    try:
        told = read(tmp_path, content + b"\n00:00:01,000 --> 00:00:02,000\n" + content)
    except InputError as error:
        assert "talk.srt" in str(error)
    else:
        assert all(s.text for s in told)
