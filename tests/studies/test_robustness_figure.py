"""The curves of missing and damaged modalities: what is drawn is what was measured, and nothing is hidden."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.collections import FillBetweenPolyCollection
from PIL import Image

from tricue.studies.robustness_figure import draw_robustness

PHASES = ("phase 1", "phase 2", "phase 3")


def number(value: float, half: float = 0.04) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def each(value: float) -> dict[str, dict[str, float]]:
    return {phase: number(value + i / 50) for i, phase in enumerate(PHASES)}


def curves(values: list[float]) -> dict[str, list[dict[str, float]]]:
    return {phase: [number(value + i / 50) for value in values] for i, phase in enumerate(PHASES)}


@pytest.fixture
def result() -> dict[str, Any]:
    return {
        "mark": "toy: not for real use", "corpus": "toy", "split": "test", "protocol": "official", "n": 720,
        "interval": {"groups": 90, "unit": "dialogue", "method": "jackknife", "mark": None},
        "models": {phase: {"phase": i} for i, phase in enumerate(PHASES, start=1)},
        "subsets": [
            {"modalities": ["text"], "rows": 720, "weighted_f1": each(0.6)},
            {"modalities": ["audio"], "rows": 720, "weighted_f1": each(0.5)},
            {"modalities": ["text", "audio"], "rows": 720, "weighted_f1": each(0.7)},
        ],
        "kinds": {
            "noise": {"modality": "audio", "told": "white noise", "unit": "SNR, dB", "rows": 700,
                      "levels": [None, 30, 10, 0], "weighted_f1": curves([0.7, 0.66, 0.6, 0.55])},
            "word-errors": {"modality": "text", "told": "wrong words", "unit": "rate, %", "rows": 720,
                            "levels": [None, 5, 40], "weighted_f1": curves([0.7, 0.68, 0.52])},
            "blur": {"modality": "video", "told": "blurred picture", "unit": "blur, %",
                     "left_out": "the model does not read video"},
        },
    }  # fmt: skip


def panels(result: dict[str, Any]) -> list[Any]:
    figure = draw_robustness(result).figure
    assert figure is not None
    return [ax for ax in figure.axes if ax.get_visible()]


def lines(ax: Any) -> list[Any]:
    """The curves of a panel; single points are not among them."""
    return [line for line in ax.lines if len(line.get_xdata()) > 1]


def test_a_panel_per_kind_and_one_for_the_subsets(result: dict[str, Any]) -> None:
    assert [ax.get_title() for ax in panels(result)] == [
        "only these modalities", "white noise", "wrong words",
    ]  # fmt: skip
    del result["subsets"]
    assert [ax.get_title() for ax in panels(result)] == ["white noise", "wrong words"]


def test_the_curves_are_the_numbers_in_percent(result: dict[str, Any]) -> None:
    noise = panels(result)[1]
    assert noise.get_xlabel() == "SNR, dB"
    for line, phase in zip(lines(noise), PHASES, strict=True):
        values = [100 * n["value"] for n in result["kinds"]["noise"]["weighted_f1"][phase]]
        assert list(line.get_ydata()) == pytest.approx(values)
        assert line.get_label() == phase if not line.get_label().startswith("_") else True
    bands = [c for c in noise.collections if isinstance(c, FillBetweenPolyCollection)]
    assert len(bands) == 3
    heights = bands[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((51.0, 74.0))


def test_damage_grows_to_the_right_true_to_scale(result: dict[str, Any]) -> None:
    """Decibels fall, so their axis is turned; undamaged stands a step before the first level."""
    _, noise, words = panels(result)
    assert list(lines(noise)[0].get_xdata()) == [-50, -30, -10, 0]
    assert list(lines(words)[0].get_xdata()) == [0, 5, 40]
    assert [tick.get_text() for tick in noise.get_xticklabels()] == ["none", "30", "10", "0", "no\naudio"]
    assert [tick.get_text() for tick in words.get_xticklabels()] == ["none", "5", "40", "no\ntext"]


def test_a_missing_modality_stands_beside_the_damaged_one(result: dict[str, Any]) -> None:
    """For noise the score of text alone; without the subsets it is not known."""
    alone = [line for line in panels(result)[1].lines if len(line.get_xdata()) == 1]
    assert [line.get_ydata()[0] for line in alone] == pytest.approx([60, 62, 64])
    del result["subsets"]
    noise = panels(result)[0]
    assert not [line for line in noise.lines if len(line.get_xdata()) == 1]
    assert [tick.get_text() for tick in noise.get_xticklabels()] == ["none", "30", "10", "0"]


def test_all_panels_have_one_height_that_holds_every_interval(result: dict[str, Any]) -> None:
    result["kinds"]["noise"]["weighted_f1"]["phase 2"][3] = number(0.31)
    assert {ax.get_ylim() for ax in panels(result)} == {(25.0, 80.0)}


def test_phases_differ_in_colour_dashes_and_marker(result: dict[str, Any]) -> None:
    found = lines(panels(result)[1])
    for told in ("get_color", "get_linestyle", "get_marker"):
        assert len({str(getattr(line, told)()) for line in found}) == 3 or told == "get_linestyle"
    assert len({str(line._dash_pattern) for line in found}) == 3
    figure = draw_robustness(result).figure
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(PHASES)


def test_what_was_left_out_says_why_below_the_panels(result: dict[str, Any]) -> None:
    """A reason once, with all kinds that it holds for; nothing where all was measured."""
    no_video = {"modality": "video", "told": "lost key frames", "left_out": "the model does not read video"}
    told = "Not measured: blurred picture, lost key frames (the model does not read video)."
    assert _below(result | {"kinds": result["kinds"] | {"frame-loss": no_video}}) == told
    assert not _below(result | {"kinds": {"noise": result["kinds"]["noise"]}})


def _below(result: dict[str, Any]) -> str:
    figure = draw_robustness(result).figure
    assert figure is not None
    return figure.get_supxlabel().replace("\n", " ")


def test_subsets_that_no_row_has(result: dict[str, Any]) -> None:
    result["subsets"][1] = {"modalities": ["audio"], "rows": 0, "left_out": "no row of the test split has audio"}
    assert [text.get_text() for text in panels(result)[0].texts] == ["no rows"]
    words = panels(result)[2]  # without text there is audio alone, which nobody has
    assert not [line for line in words.lines if len(line.get_xdata()) == 1]


def test_an_interval_that_does_not_hold_the_value_or_is_not_there(result: dict[str, Any]) -> None:
    """In results of 0.1 the interval over few groups is that of the groups' mean; over one there is none."""
    result["subsets"][0]["weighted_f1"]["phase 1"] = {"value": 0.6, "low": 0.62, "high": 0.7}
    result["kinds"]["noise"]["weighted_f1"]["phase 1"][1] = {"value": 0.66, "low": None, "high": None}
    result["interval"] |= {"mark": "few groups", "groups": 2}
    drawn = draw_robustness(result)
    assert "2 dialogues (few groups)" in drawn.caption and drawn.figure is not None


def test_it_is_told_to_those_who_do_not_see_it(result: dict[str, Any]) -> None:
    drawn = draw_robustness(result)
    for part in ("only text+audio: phase 1 70.0, phase 2 72.0, phase 3 74.0",
                 "white noise, from none to 0 (SNR, dB): phase 1 70.0 to 55.0",
                 "blurred picture: not measured, the model does not read video"):  # fmt: skip
        assert part in drawn.alt
    for part in ("toy test, n = 720, protocol official", "95% intervals over 90 dialogues (jackknife)",
                 "700 of the rows have audio", "toy: not for real use"):  # fmt: skip
        assert part in drawn.caption
    result["mark"] = None
    assert draw_robustness(result).caption.endswith("700 of the rows have audio.")


def test_another_task_is_drawn_as_its_numbers_are(result: dict[str, Any]) -> None:
    """CCC in place of percent; one that is undefined is left out."""
    other = json.loads(json.dumps(result).replace("weighted_f1", "ccc")) | {"task": "dimensional"}
    other["kinds"]["noise"]["ccc"]["phase 1"][1] = {"value": None, "low": None, "high": None}
    drawn = draw_robustness(other)
    assert drawn.title.startswith("CCC with missing") and "only text: phase 1 0.600" in drawn.alt
    assert "white noise, from none to 0 (SNR, dB): phase 1 0.700 to 0.550" in drawn.alt
    subsets, noise, *_ = panels(other)
    assert subsets.get_ylabel() == "CCC" and noise.get_ylim() == pytest.approx((0.45, 0.8))
    assert list(lines(noise)[0].get_ydata()) == pytest.approx([0.7, float("nan"), 0.6, 0.55], nan_ok=True)


def test_nothing_measured_is_no_figure(result: dict[str, Any]) -> None:
    del result["subsets"]
    result["kinds"] = {"blur": result["kinds"]["blur"]}
    drawn = draw_robustness(result)
    assert drawn.figure is None and drawn.why_not == "blurred picture (the model does not read video)"


@pytest.mark.parametrize("kinds", [[], ["noise"], ["noise", "blur"]])
def test_any_number_of_panels_can_be_written(result: dict[str, Any], kinds: list[str], tmp_path: Path) -> None:
    result["kinds"] = {name: result["kinds"][name] for name in kinds}
    before = copy.deepcopy(result)
    draw_robustness(result).write(tmp_path)
    assert json.loads((tmp_path / "robustness.json").read_text()) == before
    assert "<svg" in (tmp_path / "robustness.svg").read_text()
    width, height = Image.open(tmp_path / "robustness.png").size
    assert width >= 400 and height >= 300
