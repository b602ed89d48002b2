"""The page of a service whose model names several emotions, or values, in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest

from tricue.recording.segments import Segment
from tricue.recording.timeline import Entry, Timeline
from tricue.recording.timeline_files import CAPTIONS, JSON, TABLE, write_timeline
from tricue.serve.reading import Reader
from tricue.types import Prediction

pytestmark = pytest.mark.slow

SAID = "I am so happy for you, really"
DRAWN = """(rows) => rows.map((row) => {
    const [bar, fill, line] = [".bar", ".fill", ".line"].map((part) => row.querySelector(part).getBoundingClientRect());
    return [row.querySelector(".name").textContent, fill.left - bar.left, fill.right - bar.left,
        line.left + line.width / 2 - bar.left].map((place) => (typeof place === "number" ? place / bar.width : place));
})"""


def test_what_a_person_sees_and_keeps(
    started: Any, browser: Any, other_reader: Reader, make_clip: Any, tmp_path: Path
) -> None:
    """Bars and lines where the answer has them; files as `tricue predict` writes them; nothing serious for axe."""
    from axe_playwright_python.sync_playwright import Axe

    _, address = started(reader=other_reader)
    page, faults = browser.new_page(viewport={"width": 1280, "height": 900}), list[str]()
    page.set_default_timeout(60_000)
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    page.wait_for_selector(".ghost .name")
    assert page.locator(".ghost .name").all_inner_texts() == other_reader.task.names
    page.click("summary")
    assert page.locator("#abstain").is_hidden()
    page.fill("#text", SAID)
    page.click("#send")
    page.wait_for_selector("#bars li")
    check_answer(page, other_reader)
    page.fill("#windows", "2")
    page.set_input_files("#file", make_clip("talk.webm", frames=24, fps=4, sound=6.0))
    page.wait_for_selector(".transcript button")
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(page).response["violations"]
            assert not [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
    check_files(page, other_reader, tmp_path)
    assert not faults
    page.close()


def check_answer(page: Any, reader: Reader) -> None:
    """Against `predict`, with the ends of its bars by hand."""
    prediction = reader.recognizer.predict(SAID)
    found = {name: places for name, *places in page.locator("#bars li").evaluate_all(DRAWN)}
    for k, (name, value) in enumerate(prediction.values.items()):
        if reader.task.kind == "values":  # from 1 to 5, with a mean of 3
            expected = [min(0.5, (value - 1) / 4), max(0.5, (value - 1) / 4), 0.5]
        else:
            expected = [0.0, value, (0.2, 0.9, 0.4)[k]]
        assert found[name] == pytest.approx(expected, abs=0.02)
    if reader.task.kind == "labels":
        assert page.locator("#emotion .named").all_inner_texts() == list(prediction.label or ())
        assert page.locator("#bars .said").count() == len(prediction.label or ())
    page.locator("select").select_option(reader.task.names[2])
    assert page.locator("#contributions .name").all_inner_texts() == ["words"]
    assert reader.task.names[2] in page.locator("#contributions + p").inner_text()


def check_files(page: Any, reader: Reader, folder: Path) -> None:
    got = {}
    for label in ("Table (CSV)", "Everything (JSON)", "Captions (WebVTT)"):
        with page.expect_download() as download:
            page.get_by_role("link", name=label).click()
        got[label] = Path(download.value.path()).read_bytes().decode()
    told = json.loads(got["Everything (JSON)"])
    written = write_timeline(timeline_of(told, reader), folder / "out")
    assert told == {name: value for name, value in json.loads(written[JSON].read_text()).items() if name != "path"}
    assert got["Table (CSV)"] == written[TABLE].read_bytes().decode()
    assert got["Captions (WebVTT)"] == written[CAPTIONS].read_bytes().decode()


def timeline_of(told: dict[str, Any], reader: Reader) -> Timeline:
    card, entries = reader.card, []
    for e in told["entries"]:
        values = e.get("values", e.get("probabilities"))
        label, confidence = card.task.decide(list(values.values()), card.calibration)
        answer = Prediction("", label, confidence, values, tuple(e["modalities"]), e["error"], told["note"])
        entries.append(Entry(Segment(e["start"], e["end"], e["text"], e["speaker"]), answer))
    return Timeline(Path(told["recording"]), told["seconds"], card.task, card.calibration, [], entries, told["note"])
