"""The page of `tricue serve` in a real browser, on the real service: what a person does, and what they see."""

import base64
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch

from tricue.checkpoint.checkpoint import Card, save_checkpoint
from tricue.config.load import load_config
from tricue.extractors.choice import feature_dims
from tricue.model.network import Network
from tricue.recording.segments import Segment
from tricue.recording.timeline import Entry, Timeline
from tricue.recording.timeline_files import CAPTIONS, JSON, TABLE, write_timeline
from tricue.registry import MODALITIES
from tricue.tasks.categorical import Categorical
from tricue.types import Prediction

pytestmark = pytest.mark.slow

EMOTIONS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
_START = "import sys; from tricue.cli import main; main(sys.argv[1:])"
_START_SECONDS = 300.0  # seconds until the page answers, on a busy machine
_FAKES = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
_PATIENCE = 60_000  # milliseconds, for a busy machine; nothing here waits as long where all is well
_SERIOUS = ("serious", "critical")
_MARKUP = "<img src=x onerror=window.hit=1>"


def save_model(folder: Path) -> Path:
    """A checkpoint of three modalities, called a toy; its answers differ by clip, whatever they say."""
    light = {f"features.{modality}.encoder": "light" for modality in MODALITIES}
    config = load_config(
        None, {"data.name": "toy", "data.emotions": EMOTIONS, "model.width": 16, "features.video.frames": 4} | light
    )
    dims = feature_dims(config.features, MODALITIES)
    torch.manual_seed(1)
    network = Network.from_config(config, dims, len(EMOTIONS))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape))
    shares = [0.1, 0.05, 0.1, 0.2, 0.35, 0.1, 0.1]
    save_checkpoint(folder, network, Card(config, EMOTIONS, dims, shares))
    return folder


@contextmanager
def served(model: Path, *options: str) -> Iterator[str]:
    """The page's address while `tricue serve` runs in a process of its own."""
    command = [sys.executable, "-c", _START, "serve", "--port", "0", "--model_path", str(model), *options]
    environment = os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        yield _address(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    patience = threading.Timer(_START_SECONDS, process.kill)
    patience.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://\S+/", line):
            patience.cancel()
            threading.Thread(target=process.stdout.read, daemon=True).start()  # so that its pipe never fills
            return found[0]
    raise AssertionError("tricue serve ended: " + "".join(said))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(save_model(tmp_path_factory.mktemp("model"))) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(browser: Any) -> Iterator[Any]:
    """One with a fake microphone and a fake camera."""
    opened = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=_FAKES)
    yield opened
    opened.close()


class Visit:
    """A page, and what it said and asked for meanwhile."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.page = self.context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        self.address, self.said, self.asked = address, [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def go(self, path: str = "") -> Any:
        self.page.goto(self.address + path)
        self.page.wait_for_selector(".modalities li" if not path else "section.route")
        return self.page

    def leave(self) -> None:
        """A console without errors, and no request to another host."""
        self.context.close()
        own = urlsplit(self.address).netloc
        foreign = [a for a in self.asked if not a.startswith(("blob:", "data:")) and urlsplit(a).netloc != own]
        assert not foreign
        assert not [said for said in self.said if "status of 4" not in said]  # Chromium's own word on a refusal


@pytest.fixture
def visit(chromium: Any, address: str) -> Iterator[Visit]:
    made = Visit(chromium, address)
    yield made
    made.leave()


@pytest.fixture
def page(visit: Visit) -> Any:
    return visit.go()


@pytest.fixture
def long_clip(make_clip: Any) -> Path:
    return make_clip("talk.webm", frames=100, fps=4, sound=25.0)


def until(page: Any, holds: str) -> None:
    """Wait until a JavaScript expression is true; Playwright's own wait evaluates strings, which the page forbids."""
    end = time.monotonic() + _PATIENCE / 1000
    while not page.evaluate(holds):
        assert time.monotonic() < end, holds
        page.wait_for_timeout(50)


def drop(page: Any, *files: Path) -> None:
    carried = page.evaluate_handle(
        """(files) => {
            const carried = new DataTransfer();
            for (const [name, coded] of files)
                carried.items.add(new File([Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))], name));
            return carried;
        }""",
        [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event("#drop", event, {"dataTransfer": carried})


def bars(page: Any) -> dict[str, str]:
    """Emotion -> percentage, as they stand in the answer."""
    page.wait_for_selector("#bars li")
    names = page.locator("#bars .name").all_inner_texts()
    return dict(zip(names, page.locator("#bars .number").all_inner_texts(), strict=True))


def modalities(page: Any) -> list[str]:
    bars(page)
    return page.locator("#contributions .name").all_inner_texts()


def failure(page: Any) -> str:
    page.wait_for_selector("#failure:not([hidden])")
    return page.locator("#failure").inner_text()


def test_a_dropped_clip_shows_emotions_as_bars(page: Any, make_clip: Any) -> None:
    drop(page, make_clip("clip.webm"))
    found = bars(page)
    assert sorted(found) == EMOTIONS and all(re.fullmatch(r"[<>]?\d+%", share) for share in found.values())
    widths = page.eval_on_selector_all("#bars .fill", "fills => fills.map(fill => fill.clientWidth)")
    assert widths == sorted(widths, reverse=True) and widths[0] > widths[-1]
    assert page.locator("#emotion").inner_text() == next(iter(found))
    assert modalities(page) == ["sound", "picture"]
    assert "the model is" in page.locator("#uncertainty").inner_text()
    assert page.locator("#clip-name").inner_text() == "clip.webm"
    assert page.locator("#status").inner_text().startswith(next(iter(found)))  # what a screen reader says


def test_chosen_file_and_words_together(page: Any, make_clip: Any) -> None:
    page.fill("#text", "oh my god, he has lost it!")
    page.set_input_files("#file", make_clip())
    assert modalities(page) == ["words", "sound", "picture"]
    assert page.locator("#words").inner_text() == "oh my god, he has lost it!"


def test_words_alone_and_doubt(page: Any) -> None:
    page.fill("#text", "I am so happy for you, really")
    page.click("#send")
    assert modalities(page) == ["words"]
    page.click("summary")
    page.fill("#abstain", "100")
    page.click("#send")
    until(page, "document.querySelector('#emotion')?.textContent === 'uncertain'")
    assert "likeliest: " in page.locator(".headline").inner_text()
    hatch = "getComputedStyle(document.querySelector('.headline .swatch')).backgroundImage"
    assert "repeating" in page.evaluate(hatch)  # no empty box, as of something to tick


@pytest.mark.parametrize("width", [1280, 390])
def test_rows_reach_the_edges_of_their_card(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    edges = """(selectors) => selectors.map((s) => {
        const [place, card] = [document.querySelector(s), document.querySelector('#status')];
        return Math.round(place.getBoundingClientRect().right - card.parentElement.getBoundingClientRect().right);
    })"""
    page.wait_for_selector(".ghost .bar")
    padding = page.evaluate("parseFloat(getComputedStyle(document.querySelector('#result')).paddingRight) + 1")
    assert page.evaluate(edges, [".ghost .bar"]) == [-padding]
    page.fill("#text", "I am so happy for you, really")
    page.click("#send")
    bars(page)
    assert page.evaluate(edges, ["#bars .number", "#contributions .number"]) == [-padding] * 2
    fits = "[...document.querySelectorAll('#answer .number')].every((n) => n.scrollWidth <= n.clientWidth)"
    assert page.evaluate(fits)
    if width == 1280:  # the uncertainty's bar and its words in one line
        line = "document.querySelector('.uncertainty').clientHeight"
        assert page.evaluate(line) < 40


LONG = {"disgust": "disappointment and embarrassment", "anger": "self-consciousness", "fear": "Weltschmerz" * 4}


def test_long_names_stand_beside_their_chip(visit: Visit, long_clip: Path) -> None:
    """On a telephone: in the headline, the bars, the transcript, and before there is an answer."""

    def renamed(route: Any) -> None:
        response = route.fetch()
        told = response.text()
        for short, name in LONG.items():
            told = told.replace(f'"{short}"', f'"{name}"')
        route.fulfill(response=response, body=told)

    visit.page.set_viewport_size({"width": 390, "height": 900})
    visit.page.route("**/v1/*", renamed)
    page = visit.go()
    beside = """[...document.querySelectorAll('.swatch')].filter((chip) => chip.offsetParent).every((chip) => {
        const [square, words] = [chip, chip.nextSibling].map((each) => each.getClientRects()[0]);
        return words.left >= square.right && words.top < square.bottom && words.bottom > square.top;
    })"""
    inside = "document.documentElement.scrollWidth <= window.innerWidth"
    page.wait_for_selector(".ghost .name")
    assert page.evaluate(beside) and page.evaluate(inside)
    drop(page, long_clip)
    page.click("#send")
    page.wait_for_selector("#bars li")
    page.wait_for_selector(".transcript .feeling")
    if folder := os.environ.get("TRICUE_PICTURES"):  # to look at
        page.screenshot(path=f"{folder}/long-names.png", full_page=True)
    assert page.evaluate(beside) and page.evaluate(inside)
    page.unroute_all(behavior="ignoreErrors")  # the second question may be under way


@pytest.mark.parametrize(("kind", "read"), [("microphone", ["sound"]), ("camera", ["sound", "picture"])])
def test_a_recording_gets_an_answer(page: Any, kind: str, read: list[str]) -> None:
    page.click(f"#record-{kind}")
    page.wait_for_selector("#recording:not([hidden])")
    assert page.locator("#recording-what").inner_text() == f"Recording from the {kind}"
    assert page.locator("#live").is_visible() == (kind == "camera")
    borders = "buttons => buttons.map((button) => getComputedStyle(button).borderColor)"
    one, other = page.eval_on_selector_all("[id^=record-]", borders)
    assert one == other  # though the pointer is still on one of them: neither can be pressed
    until(page, "document.querySelector('#level').value > 0.1")  # the fake microphone beeps
    until(page, "document.querySelector('#recording-time').textContent !== '0:00'")
    page.click("#stop")
    assert modalities(page) == read
    assert page.locator("#recording").is_hidden() and page.locator("#clip-name").inner_text() == "recording.webm"
    until(page, "Number.isFinite(document.querySelector('#preview video').duration)")


def test_a_discarded_recording_is_not_sent(page: Any, visit: Visit) -> None:
    page.click("#record-microphone")
    page.wait_for_selector("#recording:not([hidden])")
    page.click("#discard")
    page.wait_for_selector("#recording", state="hidden")
    until(page, "!document.querySelector('#record-microphone').disabled")
    assert page.locator("#clip").is_hidden() and not [a for a in visit.asked if a.endswith("/v1/predict")]
    assert page.locator("#status").inner_text() == "Discarded."


def test_discarding_leaves_the_answer_to_words_alone(page: Any) -> None:
    page.click("#record-microphone")
    page.wait_for_selector("#recording:not([hidden])")
    page.fill("#text", "I am so happy for you, really")
    page.click("#send")
    found = bars(page)
    page.click("#discard")
    page.wait_for_selector("#recording", state="hidden")
    until(page, "!document.querySelector('#record-microphone').disabled")
    assert bars(page) == found


def test_a_device_that_gives_nothing_is_told_of(page: Any) -> None:
    page.evaluate("""() => { // a recorder that ends at once, with nothing
        MediaRecorder.prototype.start = function () {
            Object.defineProperty(this, "state", { value: "recording" });
            this.stop = () => this.dispatchEvent(new Event("stop"));
        };
    }""")
    page.click("#record-microphone")
    page.wait_for_selector("#recording:not([hidden])")
    page.click("#stop")
    assert failure(page) == "The recording broke off: nothing came from it."


def test_without_a_device_the_page_says_so(browser: Any, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.go()
    page.click("#record-microphone")
    assert failure(page).startswith("No recording from the microphone. ")
    assert page.locator("#record-microphone").is_enabled()
    visit.leave()


def current(page: Any) -> str:
    return page.locator(".transcript [aria-current] .number").inner_text()


def test_player_chart_and_transcript_follow_each_other(page: Any, long_clip: Path) -> None:
    page.set_input_files("#file", long_clip)
    page.wait_for_selector(".transcript button")
    starts = page.locator(".transcript .number").all_inner_texts()
    assert starts == ["0:00", "0:05", "0:10", "0:15", "0:20"]
    until(page, "document.querySelector('.stage video').readyState > 0")
    page.locator(".transcript button").nth(2).click()  # from the transcript
    until(page, "document.querySelector('.stage video').currentTime === 10")
    assert current(page) == "0:10" and page.get_attribute(".chart canvas", "aria-valuenow") == "10"
    page.eval_on_selector(".stage video", "video => { video.currentTime = 16; }")  # from the player
    page.wait_for_selector(".transcript li:nth-child(4) [aria-current]")
    box = page.locator(".chart canvas").bounding_box()
    page.locator(".chart canvas").click(position={"x": box["width"] - 3, "y": 20})  # from the chart
    until(page, "document.querySelector('.stage video').currentTime > 24")
    assert current(page) == "0:20"
    page.eval_on_selector(".stage video", "video => { video.currentTime = 4.6; video.play(); }")
    page.wait_for_selector(".transcript li:nth-child(2) [aria-current]")  # while it plays


def test_bars_of_the_chart_have_an_edge_on_a_dark_ground(page: Any, long_clip: Path) -> None:
    page.set_input_files("#file", long_clip)
    page.wait_for_selector(".transcript button")
    edge = """() => {
        const canvas = document.querySelector(".chart canvas");
        const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        pen.drawImage(canvas, 0, 0);
        const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let i = 0; i < data.length; i += 4)
            if (data[i] === 0x83 && data[i + 1] === 0x84 && data[i + 2] === 0x8f && data[i + 3] > 200) found += 1;
        return found;
    }"""
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    assert page.evaluate(edge) > 500
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(200)
    assert page.evaluate(edge) < 50


_GAPS = [(1, 3), (5, 8), (5, 9), (20, 22)]  # two begin at once; a long gap before the last


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    lines = [f"00:{a:02}.000 --> 00:{b:02}.000\nline {i}\n" for i, (a, b) in enumerate(_GAPS)]
    (tmp_path / "gaps.vtt").write_text("WEBVTT\n\n" + "\n".join(lines))
    return tmp_path / "gaps.vtt"


def stands(page: Any, index: int | None, seconds: float) -> None:
    """The player is there, and the segment is marked, also once the player has said so."""
    until(
        page,
        f"(({{ seeking, currentTime }}) => !seeking && Math.abs(currentTime - {seconds}) < 0.1)"
        "(document.querySelector('.stage video'))",
    )
    page.wait_for_timeout(300)  # for its "seeked"
    marked = page.eval_on_selector_all(
        ".transcript button", "lines => lines.flatMap((l, i) => l.hasAttribute('aria-current') ? [i] : [])"
    )
    assert marked == ([] if index is None else [index])


def put(page: Any, seconds: float) -> None:
    page.eval_on_selector(".stage video", "(video, to) => { video.currentTime = to; }", seconds)


@pytest.fixture
def with_gaps(page: Any, long_clip: Path, gaps: Path) -> Any:
    drop(page, long_clip, gaps)
    page.wait_for_selector(".transcript button")
    until(page, "document.querySelector('.stage video').readyState > 0")
    return page


def test_keys_in_gaps_and_among_segments_at_once(with_gaps: Any) -> None:
    page = with_gaps
    assert page.locator(".now").inner_text() == "Nothing here"  # at the start, before the first segment
    put(page, 15)
    stands(page, None, 15)
    assert page.get_attribute(".chart canvas", "aria-valuetext") == "0:15"
    page.focus(".chart canvas")
    page.keyboard.press("ArrowRight")
    stands(page, 3, 20)
    for index in (2, 1, 0, 0):
        page.keyboard.press("ArrowLeft")
        stands(page, index, _GAPS[index][0])
    for index in (1, 2, 3, 3):
        page.keyboard.press("ArrowDown")
        stands(page, index, _GAPS[index][0])
    put(page, 15)
    stands(page, None, 15)
    page.keyboard.press("ArrowUp")
    stands(page, 2, 5)
    page.locator(".transcript button").nth(2).focus()  # the transcript's own keys go the same way
    page.keyboard.press("ArrowUp")
    stands(page, 1, 5)
    assert "line 1" in page.evaluate("document.activeElement.textContent")


def test_of_two_that_begin_at_once_each_can_be_clicked(with_gaps: Any) -> None:
    for index in (1, 2, 1):
        with_gaps.locator(".transcript button").nth(index).click()
        stands(with_gaps, index, 5)


def test_arrows_get_past_a_segment_that_plays(with_gaps: Any) -> None:
    page = with_gaps
    page.focus(".chart canvas")
    page.keyboard.press("End")
    page.eval_on_selector(".stage video", "video => { video.muted = true; video.play(); }")
    until(page, "document.querySelector('.stage video').currentTime > 21.1")
    for _ in range(2):  # to its own beginning, and from there on
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(150)
    until(page, "document.querySelector('.stage video').currentTime < 9")


def test_subtitles_go_with_their_clip(page: Any, long_clip: Path, gaps: Path, make_clip: Any) -> None:
    def held() -> list[str]:
        return page.eval_on_selector("#subtitles", "input => [...input.files].map(file => file.name)")

    def pair() -> None:
        drop(page, long_clip, gaps)
        page.wait_for_selector(".transcript button")
        assert held() == ["gaps.vtt"]
        assert page.locator(".transcript .said").all_inner_texts() == [f"line {i}" for i in range(len(_GAPS))]

    pair()
    page.click("#remove")
    assert held() == []
    pair()
    drop(page, make_clip("other.webm"))
    bars(page)
    assert held() == [] and page.locator("#timeline").is_hidden()
    pair()
    page.click("#record-microphone")
    page.wait_for_selector("#recording:not([hidden])")
    assert held() == []
    page.click("#discard")
    page.wait_for_selector("#recording", state="hidden")
    drop(page, gaps)  # before there is a clip: they wait for theirs
    drop(page, long_clip)
    page.wait_for_selector(".transcript button")
    assert held() == ["gaps.vtt"] and page.locator(".transcript .said").first.inner_text() == "line 0"


def test_subtitles_and_downloads(page: Any, make_clip: Any, tmp_path: Path) -> None:
    spoken = '1\r\n00:00:00,000 --> 00:00:01,000\r\nROSS: oh my god, "he" has lost it!\r\n\r\n'
    spoken += f"2\r\n00:00:01,000 --> 00:00:02,000\r\nJOEY: =1+1 a &amp; b {_MARKUP.replace('<', '< ')}\r\n"
    (tmp_path / "said.srt").write_text(spoken)
    page.click("summary")
    page.set_input_files("#subtitles", tmp_path / "said.srt")
    page.set_input_files("#file", make_clip("talk.webm"))
    page.wait_for_selector(".transcript button")
    assert page.locator(".transcript b").all_inner_texts() == ["ROSS: ", "JOEY: "]
    got = {}
    for label in ("Table (CSV)", "Everything (JSON)", "Captions (WebVTT)"):
        with page.expect_download() as download:
            page.get_by_role("link", name=label).click()
        assert download.value.suggested_filename.startswith("talk.")
        got[label] = Path(download.value.path()).read_bytes().decode()
    told = json.loads(got["Everything (JSON)"])
    written = write_timeline(_timeline(told), tmp_path / "out")  # the same files as tricue predict writes
    there = json.loads(written[JSON].read_text())
    del there["path"]  # where the recording lies, which no browser tells
    assert told == there
    assert got["Table (CSV)"] == written[TABLE].read_bytes().decode()
    assert got["Captions (WebVTT)"] == written[CAPTIONS].read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(got["Table (CSV)"])))
    assert [row["speaker"] for row in rows] == ["ROSS", "JOEY"] and rows[1]["text"].startswith("'=1+1")


def _timeline(told: dict[str, Any]) -> Timeline:
    entries = [
        Entry(
            Segment(e["start"], e["end"], e["text"], e["speaker"]),
            Prediction(
                "", e["emotion"], e["confidence"], e["probabilities"], tuple(e["modalities"]), e["error"], told["note"]
            ),
        )
        for e in told["entries"]
    ]
    modalities = ["text", "audio", "video"]
    task = Categorical(tuple(told["emotions"]))
    return Timeline(Path(told["recording"]), told["seconds"], task, None, modalities, entries, told["note"])


def test_what_comes_from_outside_is_never_markup(page: Any, make_clip: Any, tmp_path: Path) -> None:
    voice = _MARKUP.replace("<", "&lt;").replace(">", "&gt;")
    said = f"WEBVTT\n\n00:00.000 --> 00:01.000\n<v {voice}>{voice}\n\n00:01.000 --> 00:02.000\nwell\n"
    (tmp_path / "said.vtt").write_text(said)
    page.fill("#text", _MARKUP)
    page.click("#send")
    bars(page)
    assert page.locator("#words").inner_text() == _MARKUP
    page.fill("#text", "")
    page.click("summary")
    page.set_input_files("#subtitles", tmp_path / "said.vtt")
    clip = {"name": f"{_MARKUP}.webm", "mimeType": "video/webm", "buffer": make_clip("a.webm").read_bytes()}
    page.set_input_files("#file", clip)
    page.wait_for_selector(".transcript button")
    assert page.locator("#clip-name").inner_text() == f"{_MARKUP}.webm"
    assert page.locator(".transcript .said").first.inner_text() == f"{_MARKUP}: {_MARKUP}"
    page.set_input_files("#file", {**clip, "buffer": b"no clip"})
    failure(page)
    assert page.locator("img").count() == 0 and page.evaluate("window.hit") is None


def test_refusals_are_told_in_words(page: Any, tmp_path: Path, make_clip: Any) -> None:
    page.click("#send")
    assert failure(page) == "Type some words, drop a clip or record one first."
    page.set_input_files("#file", {"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"\0" * 5000})
    until(page, "document.querySelector('#failure').textContent.length > 60")
    assert "Traceback" not in failure(page) and "{" not in failure(page)
    page.get_by_role("button", name="Remove").click()
    page.wait_for_selector("#failure", state="hidden")
    page.fill("#text", "still here")  # and the page goes on
    page.click("#send")
    assert sorted(bars(page)) == EMOTIONS


def test_after_a_refusal_the_player_is_with_its_clip(with_gaps: Any, make_clip: Any) -> None:
    page = with_gaps
    player = "#preview video"

    def ask() -> None:
        page.click("#send")
        page.wait_for_selector(".transcript button")
        assert page.locator(player).count() == 0

    page.fill("#windows", "0.2")
    page.click("#send")
    assert failure(page).startswith("Cut the clip")
    assert page.locator(player).is_visible() and page.locator("#timeline").is_hidden()
    border = "([id]) => getComputedStyle(document.getElementById(id)).borderColor"
    assert page.evaluate(border, ["windows"]) != page.evaluate(border, ["abstain"])  # the one that is wrong
    page.fill("#windows", "")
    ask()
    drop(page, make_clip("a.webm"), make_clip("b.webm"))  # two clips: neither is taken
    assert failure(page).startswith("One clip at a time")
    assert page.locator(player).is_visible() and page.locator("#clip-name").inner_text() == "talk.webm"
    ask()
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }; }"
    )
    page.click("#record-microphone")
    assert failure(page).startswith("No recording from the microphone.")
    assert page.locator(player).is_visible()


def test_refusals_before_anything_is_sent(page: Any, visit: Visit) -> None:
    page.fill("#text", "hello")
    page.click("summary")
    page.fill("#abstain", "101")
    page.click("#send")
    assert failure(page).startswith("Say “uncertain” below this percentage: 0 to 100.")
    assert page.evaluate("document.activeElement.id") == "abstain"
    assert not [a for a in visit.asked if a.endswith("/v1/predict")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "The service can't be reached: is it still running?"),
        ({"status": 502, "body": "<html>"}, "The service answered with status 502 and gave no reason."),
        (
            {"status": 503, "headers": {"Retry-After": "2"}, "body": '{"error": {"code": "busy", "reason": "Busy."}}'},
            "Busy. Try again in 2 s.",
        ),
    ],
)
def test_a_service_in_trouble(visit: Visit, answer: Any, said: str) -> None:
    page = visit.go()
    page.route("**/v1/predict", lambda route: route.abort() if answer is None else route.fulfill(**answer))
    page.fill("#text", "hello")
    page.click("#send")
    assert failure(page) == said
    visit.said[:] = [line for line in visit.said if "Failed to load resource" not in line]


def test_a_question_under_way_can_be_aborted(page: Any) -> None:
    page.route("**/v1/predict", lambda _: None)
    page.fill("#text", "hello")
    page.click("#send")
    page.get_by_role("button", name="Abort").click()
    assert page.locator("#status").inner_text() == "Aborted." and page.locator("#busy").is_hidden()


def test_toy_law_and_modalities_are_named(page: Any) -> None:
    assert page.locator("#toy").inner_text() == "toy: not for real use"
    assert page.locator(".modalities li").all_inner_texts() == ["words", "sound", "picture"]
    assert "AI Act" in page.locator("#about").inner_text()
    assert page.locator("#transcribe-row").is_hidden()  # no speech recogniser is loaded


def tab_to(page: Any, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_keyboard_alone_can_do_it(page: Any, long_clip: Path) -> None:
    page.on("filechooser", lambda chooser: chooser.set_files(long_clip))
    tab_to(page, ".skip")
    page.keyboard.press("Enter")
    tab_to(page, "#file")
    page.keyboard.press("Enter")
    page.wait_for_selector(".transcript button")
    tab_to(page, ".chart canvas")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert current(page) == "0:10"
    assert "0:10" in page.get_attribute(".chart canvas", "aria-valuetext")
    page.reload()
    tab_to(page, "#record-microphone")
    page.keyboard.press("Enter")
    page.wait_for_selector("#recording:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "stop"
    page.wait_for_timeout(1200)
    page.keyboard.press("Enter")
    assert modalities(page) == ["sound"]
    tab_to(page, "#text")
    page.keyboard.type("how nice of you")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#words")
    assert modalities(page) == ["words", "sound"]


def look(page: Any) -> None:
    """Nothing wider than a desktop's and a phone's window; nothing serious for axe, in light and in dark."""
    from axe_playwright_python.sync_playwright import Axe

    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page).response["violations"]
        bad = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found if v["impact"] in _SERIOUS]
        assert not bad, (scheme, bad)


def _empty(page: Any, _: Path) -> None:
    page.click("summary")


def _recording(page: Any, _: Path) -> None:
    page.click("#record-camera")
    page.wait_for_selector("#recording:not([hidden])")


def _timeline_shown(page: Any, clip: Path) -> None:
    page.fill("#text", "A-word-" * 40)
    page.set_input_files("#file", clip)
    page.wait_for_selector(".transcript button")


def _refused(page: Any, _: Path) -> None:
    page.set_input_files("#file", {"name": "a" * 150, "mimeType": "video/mp4", "buffer": b"no clip"})
    failure(page)


@pytest.mark.parametrize("state", [_empty, _recording, _timeline_shown, _refused])
def test_fits_and_is_accessible(page: Any, state: Callable[[Any, Path], None], long_clip: Path) -> None:
    state(page, long_clip)
    look(page)


def test_the_page_for_programs(visit: Visit) -> None:
    page = visit.go("docs")
    routes = page.locator("section.route h2").all_inner_texts()
    assert "POST /v1/predict" in [" ".join(route.split()) for route in routes]
    assert page.locator(".origin").first.inner_text() == visit.address.rstrip("/")
    assert page.locator("#schema-Answer th", has_text="contributions").count() == 1
    assert "`" not in page.locator("main").inner_text() and page.locator("td code").count() > 0
    look(page)
    cut = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length"
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate(cut) == 0
