"""Timing lines as they are found: what is unambiguous is read, what only looks like one is named, words stay words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricue.recording.timing import Timing, UnreadableTiming, read_timing

FROM_3_TO_4_5 = [
    "00:00:03,000 --> 00:00:04,500",
    "00:00:03:000 --> 00:00:04:500",  # a colon before the fraction
    "00:00:03,0000 --> 00:00:04,5000",  # a decimal fraction, however long
    "00:00:03 --> 00:00:04,5",
    "00:00:03;000 --> 00:00:04;500",
    "00:00:03'000 --> 00:00:04'500",
    "00:00:03 000 --> 00:00:04 500",
    "00.00.03.000 --> 00.00.04.500",
    "00: 00: 03, 000 --> 00: 00: 04, 500",
    "00 : 00 : 03 , 000 --> 00 : 00 : 04 , 500",
    "0:03.0-->0:04.5",  # no hours
    "00:03:000 --> 00:04:500",
    "00:00:03,000 -> 00:00:04,500",
    "00:00:03,000 – 00:00:04,500",
    "00:00:03,000 –> 00:00:04,500",
    "00:00:03,000 —> 00:00:04,500",
    "00:00:03,000 → 00:00:04,500",
    "00:00:03,000 -- > 00:00:04,500",
    "00:00:03,000 - -> 00:00:04,500",
    "00:00:03,000 ---> 00:00:04,500",
    "00:00:03,000 ==> 00:00:04,500",
    "00:00:03,000 --&gt; 00:00:04,500",
    "00:00:03,000 >> 00:00:04,500",
    "00:00:03,000 -- 00:00:04,500",
    "0:00:03.000,0:00:04.500",  # SBV
    "００：００：０３，０００　--＞　００：００：０４，５００",
    "\u202a00:00:03,000 --> 00:00:04,500\u202c",
    "\ufeff00:00:03,000 --> 00:00:04,500",
    "2 00:00:03,000 --> 00:00:04,500",
    "00:00:03,000\t-->\t00:00:04,500",
    "00:00:03,000 --> 00:00:04,500.",
    "00:00:03,000 --> 00:00:04,500 X1:100 X2:200 Y1:10 Y2:20",
    "00:00:03.000 --> 00:00:04.500 align:start position:0% line: 5",
]
UNREADABLE = [
    "00:00:03.-04 --> 00:00:04.500",
    "00:00:03,000 -->",
    "00:00:03,000 ->",
    "--> 00:00:04,500",
    "00:00:03:12 --> 00:00:04:10",  # frames of an unknown rate
    "00:00:03;12 --> 00:00:04;10",
    "00:00:0O,000 --> 00:00:04,500",
    "00:00:03,000 --> 00:00:04,5OO",
    "00:00:03,000 --> 00:00:04,500abc",
    "00:00:03,000 --> later",
    "00:00:03,000 --> 5",
    "00:00:123,000 --> 00:00:04,500",
    "00:00:-1,500 --> 00:00:02,500",
    "-1:-1:-1,-1 --> 00:00:02,000",
    "NaN:NaN:NaN,NaN --> NaN:NaN:NaN,NaN",
    "00:00:01,000 --> 00:00:02,500 --> 00:00:03,000",
    "1:2:3:4:5 --> 00:00:04,500",
    "2024-01-01 00:00:03,000 --> 2024-01-01 00:00:04,500",
    "soon --> 00:00:04,500",
]
WORDS = [
    "A -> B",
    "A --> B",
    "x: 1 -> 2",
    "from 3 -> 4",
    "from 10:30 -> 11:15",
    "10:30 -> 11:15",
    "2:1 -> 3:1",
    "Bob: 2:1 -> 3:1",
    "1.5 -> 2.5",
    "std::vector -> list",
    "Meet at 10:30 --> leave at 11:15",
    "At 10:30",
    "10:30 - 11:15",
    "10:30, 11:15",
    "--> look",
    "1999",
    "",
]


@pytest.mark.parametrize("line", FROM_3_TO_4_5)
def test_what_is_unambiguous_is_read(line: str) -> None:
    for begins_block in (True, False):
        assert read_timing(line, begins_block) == Timing(3.0, 4.5)


def test_other_times() -> None:
    assert read_timing("-00:00:00,500 --> 00:00:02,500", False) == Timing(-0.5, 2.5)
    assert read_timing("125:30.000 --> 2:05:31.000", False) == Timing(7530.0, 7531.0)
    assert read_timing("99:59:59,999 --> 100:00:00,25", False) == Timing(359_999.999, 360_000.25)
    assert read_timing("12,500 --> 14,000", True) == Timing(12.5, 14.0)
    assert read_timing("00:00:03,000 --> 00:00:04,500 Get out!", False) == Timing(3.0, 4.5, "Get out!")


@pytest.mark.parametrize("line", UNREADABLE)
def test_what_looks_like_a_timing_is_named(line: str) -> None:
    for begins_block in (True, False):
        assert isinstance(read_timing(line, begins_block), UnreadableTiming)


@pytest.mark.parametrize("line", WORDS)
def test_words_with_an_arrow_stay_words(line: str) -> None:
    assert read_timing(line, begins_block=False) is None


def test_the_place_decides_what_could_be_either() -> None:
    """Below a blank line or a number a score or an hour is a timing; below the number of a cue any arrow is."""
    assert read_timing("10:30 -> 11:15", True) == Timing(630.0, 675.0)
    assert read_timing("A -> B", True) is None and read_timing("A --> B", True) is None
    assert read_timing("undefined --> undefined", True, numbered=True) == UnreadableTiming("undefined --> undefined")
    assert read_timing("3 --> 5", True) == UnreadableTiming("3 --> 5")  # of what?


def test_a_notice_quotes_no_words() -> None:
    told = read_timing("00:00:03.-04 --> 00:00:04.500 a secret", False)
    assert told == UnreadableTiming("00:00:03.-04 --> 00:00:04.500")


@given(st.integers(0, 359_999_999), st.integers(0, 359_999_999), st.sampled_from(",.:;"))
def test_every_time_is_read_to_the_millisecond(start: int, end: int, mark: str) -> None:
    def clock(ms: int) -> str:
        return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"

    timing = read_timing(f"{clock(start)} --> {clock(end)}", False)
    assert isinstance(timing, Timing)
    assert (round(1000 * timing.start), round(1000 * timing.end)) == (start, end)


@given(st.text(alphabet="0123456789:.,;'-> \tx→", max_size=60), st.booleans())
def test_any_line_is_one_of_the_three(line: str, begins_block: bool) -> None:
    assert isinstance(read_timing(line, begins_block), Timing | UnreadableTiming | None)
