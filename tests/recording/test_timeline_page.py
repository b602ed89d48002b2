"""The page of a timeline in a browser: player, transcript and chart follow one another, by mouse and by keys."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tricue.recording.segments import Segment
from tricue.recording.timeline import Entry, Timeline
from tricue.recording.timeline_files import write_timeline
from tricue.types import UNCERTAIN

pytestmark = pytest.mark.slow
SECONDS, COUNT = 90.0, 24
HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"


class Opened:
    """A page in the browser, what it asked for and what it said of itself."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
        self.window = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.window.on("console", lambda message: self.said.append(message.text))
        self.window.on("pageerror", lambda error: self.said.append(str(error)))
        self.window.on("request", lambda request: self.asked.append(request.url))
        self.window.goto(path.as_uri())

    def until(self, condition: str) -> None:
        """Waits for it; on a busy machine that takes what it takes. Asked for from outside: the page's policy lets
        no `eval` in, on which Playwright's own waiting stands."""
        for _ in range(1200):
            if self.window.evaluate(condition):
                return
            self.window.wait_for_timeout(50)
        raise AssertionError(f"{condition} has not come true in a minute")

    def ready(self) -> "Opened":
        self.until("player.readyState >= 2")
        return self

    def press(self, key: str) -> None:
        self.window.keyboard.press(key)

    def lit(self) -> list[int]:
        """The lines of the transcript that are marked."""
        return self.window.evaluate("items.flatMap((e, i) => e.classList.contains('on') ? [i] : [])")

    def shows(self, index: int, at: float) -> None:
        """Player, transcript, chart and panel all stand at the beginning of that segment."""
        self.until(f"!player.seeking && Math.abs(player.currentTime - {at}) < 0.05")
        assert index in self.lit()
        marked = self.window.locator("[aria-current]")
        assert marked.count() == 1
        assert marked.evaluate("(e) => [...lines.children].indexOf(e.parentElement)") == index
        assert self.window.locator("#roll").get_attribute("aria-valuenow") == str(index + 1)
        share = self.window.evaluate(
            "(roll.lastElementChild.getBoundingClientRect().left - roll.getBoundingClientRect().left)"
            " / roll.clientWidth"
        )
        begin = self.window.evaluate("from")
        assert begin + 60 * share == pytest.approx(at, abs=0.15)
        self.until(
            "(() => { const line = document.querySelector('[aria-current]').getBoundingClientRect(), box = "
            "lines.getBoundingClientRect(); return line.top >= box.top - 1 && line.bottom <= box.bottom + 1; })()"
        )  # scrolled to


@pytest.fixture(scope="module")
def recording(film: Callable[..., Path]) -> Path:
    return film(round(SECONDS))


@pytest.fixture
def long(told: Timeline, recording: Path, tmp_path: Path) -> Timeline:
    """90 s of film: a segment every 3.5 s from 1 s on, the sixth and the seventh at once, one of each kind of answer,
    and one of words that are markup."""
    mine = tmp_path / "12:30 #1 talk.mp4"
    mine.write_bytes(recording.read_bytes())
    sure, unsure, failed = (entry.prediction for entry in told.entries)
    entries = []
    for i in range(COUNT):
        start = 1.0 + 3.5 * (i - (i > 5))
        answer = {2: unsure, 3: failed}.get(i, sure)
        text = {3: None, 4: HOSTILE}.get(i, f"Line {i} of what is said, " + "which goes on " * (i % 5))
        entries.append(
            Entry(Segment(start, start + 3.0, text, HOSTILE if i == 4 else "AnnBob"[i % 2 * 3 :][:3]), answer)
        )
    assert unsure.emotion == UNCERTAIN and failed.emotion is None
    return replace(told, recording=mine, seconds=SECONDS, entries=entries)


@pytest.fixture
def page(long: Timeline, tmp_path: Path) -> Path:
    return write_timeline(long, tmp_path / "out")["timeline.html"]


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Opened]:
    one = Opened(browser, page).ready()
    yield one
    assert not one.said and one.window.title().startswith("12:30 #1 talk.mp4")
    assert {url.split(":", 1)[0] for url in one.asked} <= {"file", "data"}
    one.window.close()


def test_a_click_goes_there(opened: Opened) -> None:
    opened.window.locator("#lines button").nth(9).click()
    opened.shows(9, 29.0)
    chart = opened.window.locator("#roll")
    box = chart.bounding_box()
    chart.click(position={"x": box["width"] * 20.0 / 60, "y": 10})  # in the middle of 18.5 to 21.5 s
    # two speak then: the upper half of a row is the first of them, the lower half the other
    opened.shows(5, 18.5)
    chart.click(position={"x": box["width"] * 20.0 / 60, "y": 36})
    opened.shows(6, 18.5)
    assert opened.lit() == [5, 6]
    overview = opened.window.locator("#overview")
    overview.click(position={"x": overview.bounding_box()["width"] * 72.5 / SECONDS, "y": 10})
    opened.shows(21, 71.0)
    assert opened.window.evaluate("from") > 10  # the chart has moved on


def test_of_two_that_begin_at_once_each_can_be_gone_to(opened: Opened) -> None:
    for index in (5, 6, 5):
        opened.window.locator("#lines button").nth(index).click()
        opened.shows(index, 18.5)
        assert f"Line {index} " in opened.window.locator("#words").inner_text()


def test_the_panel_tells_of_the_segment(opened: Opened) -> None:
    def told(index: int) -> str:
        opened.window.locator("#lines button").nth(index).click()
        return opened.window.locator(".now").inner_text()

    assert "joy 82%" in told(0) and "82.3%" in told(0) and "Ann: Line 0" in told(0)
    assert "uncertain, likeliest anger 40%" in told(2) and "audio: cut" in told(2)
    assert "no answer" in told(3) and "no text to go by" in told(3) and "%" not in told(3)
    assert HOSTILE in told(4)
    opened.window.evaluate("player.currentTime = 89.5")
    opened.until("get('when').textContent === 'No segment here'")
    assert opened.lit() == []


def test_what_plays_is_followed(opened: Opened) -> None:
    opened.window.evaluate("player.muted = true; player.currentTime = 21.2; player.playbackRate = 4; player.play()")
    opened.until("current === 7")
    opened.until("current === 8")  # nobody has clicked
    opened.window.evaluate("player.pause()")
    assert opened.lit() == [opened.window.evaluate("current")]
    opened.window.evaluate("player.currentTime = 79")  # as by the player's own bar
    opened.until("current === 23")
    assert opened.lit() == [23] and opened.window.evaluate("from") > 0


def test_keys_alone(opened: Opened) -> None:
    opened.window.locator("#roll").focus()
    for key, index, at in [
        ("ArrowRight", 0, 1.0), ("ArrowRight", 1, 4.5), ("End", 23, 78.0), ("ArrowRight", 23, 78.0),
        ("ArrowLeft", 22, 74.5), ("Home", 0, 1.0), ("ArrowLeft", 0, 1.0),
    ]:  # fmt: skip
        opened.press(key)
        opened.shows(index, at)
    for index in (*range(1, 8), 6, 5, 4):  # those that begin together, too, there and back
        opened.press("ArrowDown" if opened.window.evaluate("current") < index else "ArrowUp")
        assert opened.window.evaluate("current") == index
    opened.window.evaluate("player.muted = true")
    opened.press(" ")
    opened.until("!player.paused")
    opened.press(" ")
    opened.until("player.paused")
    for _ in range(10):  # to the transcript
        opened.press("Tab")
        if opened.window.evaluate("document.activeElement.closest('#lines') !== null"):
            break
    opened.press("Enter")
    assert opened.window.evaluate("current") == opened.window.evaluate(
        "items.indexOf(document.activeElement.parentElement)"
    )


def test_not_followed_where_that_is_not_wanted(opened: Opened) -> None:
    opened.window.locator("#follow").uncheck()
    opened.window.evaluate("player.currentTime = 70")
    opened.until("current === 20")
    assert opened.window.evaluate("lines.scrollTop") == 0 and opened.lit() == [20]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: Any, page: Path, width: int) -> None:
    one = Opened(browser, page, width).ready()
    assert one.window.evaluate("document.documentElement.scrollWidth") <= width
    assert one.window.evaluate("lines.scrollWidth <= lines.clientWidth")
    small = one.window.evaluate(
        "[...document.querySelectorAll('button')].filter((b) => b.getBoundingClientRect().height < 24).length"
    )
    assert not small and not one.said
    one.window.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(browser: Any, page: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    one = Opened(browser, page, scheme=scheme).ready()
    for index in (0, 2, 3):
        one.window.locator("#lines button").nth(index).click()
        # the page's policy lets no script in but its own; axe comes in from outside of it
        found = Axe().run(one.window).response["violations"]
        assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found] == []
    one.window.close()


def test_without_its_recording_the_page_still_works(browser: Any, long: Timeline, page: Path) -> None:
    long.recording.rename(long.recording.with_name("moved.mp4"))
    one = Opened(browser, page)
    one.until("!get('trouble').hidden")
    assert "12:30 #1 talk.mp4" in one.window.locator("#why").inner_text()
    one.window.locator("#lines button").nth(9).click()
    assert one.lit() == [9] and one.window.evaluate("time") == 29.0
    one.window.locator("#file").set_input_files(str(long.recording.with_name("moved.mp4")))
    one.ready()
    assert one.window.locator("#trouble").is_hidden()
    one.shows(9, 29.0)
    one.window.close()


def test_a_recording_of_sound_alone(browser: Any, long: Timeline, film: Callable[..., Path], tmp_path: Path) -> None:
    sound = film(round(SECONDS), pictures=False)
    one = Opened(browser, write_timeline(replace(long, recording=sound), tmp_path / "out")["timeline.html"]).ready()
    assert one.window.locator("audio").is_visible() and not one.window.locator("video").count()
    one.window.locator("#lines button").nth(9).click()
    one.shows(9, 29.0)
    assert not one.said
    one.window.close()


ON_THE_PAGE = {
    "labels": (["anger", "joy"], ["0.42", "0.5", "0.1"], ["0.3", "0.5", "0.6"], "0:01.0 to 0:02.5: anger; joy"),
    "values": (["valence 3.25", "arousal -0.50"], ["0.0625", "-0.3"], ["0.5", "0.55"], "0:01.0 to 0:02.5"),
}


@pytest.mark.parametrize("width", [1280, 390])
def test_answers_of_other_tasks(
    browser: Any, told_otherwise: Timeline, recording: Path, tmp_path: Path, width: int
) -> None:
    """Labels have their thresholds, values the way from the mean of the training rows to them; both by hand."""
    from axe_playwright_python.sync_playwright import Axe

    kind = told_otherwise.task.kind
    timeline = replace(told_otherwise, recording=recording)
    one = Opened(browser, write_timeline(timeline, tmp_path / "out")["timeline.html"], width).ready()
    pieces, bars, marks, when = ON_THE_PAGE[kind]
    assert one.window.locator("#lines .answer").first.locator("span").all_inner_texts() == pieces
    one.window.locator("#lines button").first.click()
    assert one.window.locator("#when").inner_text() == when
    ways = """(rows) => rows.map((row) => {
        const box = (part) => row.querySelector(part).getBoundingClientRect();
        const [bar, way, mark] = [".bar", ".bar div", ".bar i"].map(box);
        const sign = row.querySelector(".below") ? -1 : 1;
        return [sign * way.width / bar.width, (mark.left + mark.width / 2 - bar.left) / bar.width];
    })"""
    found = one.window.locator(".now tr").evaluate_all(ways)
    assert [way for way, _ in found] == pytest.approx([float(bar) for bar in bars], abs=0.01)
    assert [mark for _, mark in found] == pytest.approx([float(mark) for mark in marks], abs=0.01)
    assert one.window.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(one.window).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations] == [] and not one.said
    one.window.close()
