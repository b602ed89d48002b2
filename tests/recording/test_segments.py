"""Stretches of a recording: windows that cover it, and what of given segments lies in it."""

import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricue.recording.segments import SHORTEST_WINDOW, Segment, usable, windows
from tricue.types import InputError


def test_windows_by_hand() -> None:
    assert windows(12.0, 5.0) == [Segment(0, 5), Segment(5, 12)]  # 2 s are less than half a window
    assert windows(13.0, 5.0) == [Segment(0, 5), Segment(5, 10), Segment(10, 13)]
    assert windows(1.0, 5.0) == [Segment(0, 1)]


@given(st.floats(0.01, 3000.0), st.floats(SHORTEST_WINDOW, 600))
def test_windows_cover_a_recording_once(seconds: float, length: float) -> None:
    cut = windows(seconds, length)
    assert cut[0].start == 0 and cut[-1].end == seconds
    assert all(a.end == b.start for a, b in pairwise(cut))
    assert all(0 < s.end - s.start <= 1.5 * length + 1e-6 for s in cut)


@pytest.mark.parametrize("length", [0.0, -1.0, 0.1, float("nan"), float("inf")])
def test_a_window_without_a_syllable_is_refused(length: float) -> None:
    with pytest.raises(InputError, match=r"give 0\.5 s or more"):
        windows(60.0, length)


def test_a_recording_without_length_has_no_window() -> None:
    with pytest.raises(InputError, match="holds no window"):
        windows(0.0, 5.0)


def test_segments_are_cut_at_the_end_and_sorted() -> None:
    given_ = [Segment(8, 12, "late"), Segment(0, 2, "early"), Segment(1, 3, "over it")]
    kept = [Segment(0, 2, "early"), Segment(1, 3, "over it"), Segment(8, 10, "late")]
    assert usable(given_, 10.0) == (kept, None)


def test_what_lies_outside_is_named_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """By whoever may see the words: nothing is logged here."""
    odd = [Segment(5, 4, "backwards"), Segment(11, 12), Segment(-1, 2), Segment(3, 3)]
    with caplog.at_level(logging.DEBUG):
        kept, notice = usable([*odd, Segment(0, 1)], 10.0)
    assert kept == [Segment(0, 1)] and notice is not None and not caplog.records
    assert "4 of 5 segments left out" in notice and "5.00-4.00 s 'backwards'" in notice
    _, notice = usable([*odd, *odd, Segment(0, 1)], 10.0)
    assert notice is not None and notice.endswith("and 3 more")


def test_subtitles_of_another_recording_are_an_error() -> None:
    with pytest.raises(InputError, match="Do the subtitles belong to this recording"):
        usable([Segment(20 + i, 21 + i) for i in range(9)], 10.0)
    with pytest.raises(InputError, match="There are no segments"):
        usable([], 10.0)
