"""Which segment of a timeline is told of, and where the keys lead: the rule that both pages share, in a browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tricue.recording.segments import Segment
from tricue.recording.timeline import Entry, Timeline
from tricue.recording.timeline_files import write_timeline

pytestmark = pytest.mark.slow

# a gap before the first; two that begin at once; a short one within a long one; one that is hardly there
TIMES = [(1.0, 3.0), (5.0, 8.0), (5.0, 9.0), (12.0, 20.0), (14.0, 15.0), (30.0, 30.01)]


@pytest.fixture
def window(browser: Any, told: Timeline, tmp_path: Path) -> Iterator[Any]:
    """The page, without its recording: the time is what is clicked and typed."""
    answer = told.entries[0].prediction
    timeline = replace(told, entries=[Entry(Segment(a, b, "words"), answer) for a, b in TIMES])
    opened = browser.new_page()
    opened.goto(write_timeline(timeline, tmp_path / "out")["timeline.html"].as_uri())
    opened.locator("#roll").focus()
    yield opened
    opened.close()


def lead(window: Any, seconds: float, *keys: str) -> list[int | None]:
    """The segment at `seconds`, and after each key."""
    window.evaluate("(to) => { asked = null; seek(to); }", seconds)
    found = [window.evaluate("current")]
    for key in keys:
        window.keyboard.press(key)
        found.append(window.evaluate("current"))
    return found


def test_from_a_gap_keys_lead_to_the_segments_beside_it(window: Any) -> None:
    assert lead(window, 0.0, "ArrowRight") == [None, 0]
    assert lead(window, 0.0, "ArrowLeft") == [None, 0]
    assert lead(window, 10.0, "ArrowRight") == [None, 3]
    assert lead(window, 10.0, "ArrowLeft") == [None, 2]


def test_keys_lead_through_those_that_begin_at_once(window: Any) -> None:
    assert lead(window, 1.0, *["ArrowDown"] * 3) == [0, 1, 2, 3]
    assert lead(window, 12.0, *["ArrowUp"] * 4) == [3, 2, 1, 0, 0]


def test_a_key_never_leads_the_wrong_way(window: Any) -> None:
    assert lead(window, 17.0, "ArrowRight") == [3, 5]  # the short one within is over
    assert lead(window, 17.0, "ArrowLeft") == [3, 4]


def test_back_leads_to_the_beginning_and_soon_after_it_to_the_one_before(window: Any) -> None:
    assert lead(window, 2.5, "ArrowLeft") == [0, 0] and window.evaluate("time") == 1.0
    assert lead(window, 12.5, "ArrowLeft") == [3, 2]  # half a second after it, as while it plays


def test_the_shortest_segment_can_be_stood_on_and_left(window: Any) -> None:
    assert lead(window, 20.5, "ArrowRight", "ArrowLeft") == [None, 5, 4]
    assert lead(window, 0.0, "End", "Home") == [None, 5, 0]


def test_keys_of_the_browser_stay_its_own(window: Any) -> None:
    assert lead(window, 1.0, "Control+ArrowRight") == [0, 0]
