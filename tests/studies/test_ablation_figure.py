"""The figure of an ablation tells what ablation.json says."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tricue.report.study_results import read_studies, study_sections
from tricue.studies.ablation_figure import draw_ablation


def number(value: float, half: float | None = 0.02) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if half is None else value - half,
        "high": None if half is None else value + half,
    }


RESULT: dict[str, Any] = {
    "mark": None, "notes": [], "protocol": "official", "corpus": "MELD", "split": "val", "n": 100, "seeds": 3,
    "epochs": 12, "interval": {"groups": 14, "unit": "dialogue"},
    "variants": [
        {"name": "full", "told": "phases 1, 2 and 3", "weighted_f1": number(0.56), "difference": None},
        {"name": "phase-1", "told": "phase 1 alone", "weighted_f1": number(0.55),
         "difference": {"verdict": "no difference shown", "differences": {"weighted_f1": number(-0.01)}}},
        {"name": "no-gating", "told": "without the gates", "weighted_f1": number(0.5),
         "difference": {"verdict": "worse", "differences": {"weighted_f1": number(-0.06)}}},
    ],
}  # fmt: skip


def test_every_variant_is_told_with_its_difference_and_verdict() -> None:
    drawn = draw_ablation(RESULT)
    assert drawn.data is RESULT
    assert "full 56.0;" in drawn.alt and "phase-1 55.0 (-1.0, no difference shown)" in drawn.alt
    assert "no-gating 50.0 (-6.0, worse)" in drawn.alt
    assert "mean of 3 seeds, 12 epochs of each variant" in drawn.caption and "14 dialogues" in drawn.caption
    scores, differences = drawn.figure.axes  # type: ignore[union-attr]
    assert [t.get_text().splitlines()[0] for t in scores.get_yticklabels()] == ["full", "phase-1", "no-gating"]
    points = [line.get_xdata()[0] for line in differences.get_lines() if line.get_marker() == "o"]
    assert points == pytest.approx([-1.0, -6.0])


def test_what_cannot_be_tested_has_no_interval() -> None:
    result = copy.deepcopy(RESULT)
    result["variants"][1]["difference"]["differences"]["weighted_f1"] = number(-0.01, None)
    result["seeds"] = 1
    drawn = draw_ablation(result)
    assert drawn.figure is not None and "; 1 seed, 12" in drawn.caption


def test_the_same_weights_have_words_in_place_of_a_difference() -> None:
    result = copy.deepcopy(RESULT)
    result["variants"][1]["difference"]["verdict"] = "the same weights"
    drawn = draw_ablation(result)
    assert "phase-1 55.0 (the same weights);" in drawn.alt and "no-gating 50.0 (-6.0, worse)" in drawn.alt
    differences = drawn.figure.axes[1]  # type: ignore[union-attr]
    assert [text.get_text().strip() for text in differences.texts] == ["the same weights"]
    points = [line.get_xdata()[0] for line in differences.get_lines() if line.get_marker() == "o"]
    assert points == pytest.approx([-6.0])


def test_another_task_is_drawn_as_its_numbers_are() -> None:
    drawn = draw_ablation(json.loads(json.dumps(RESULT).replace("weighted_f1", "ccc")) | {"task": "dimensional"})
    assert "CCC of each variant" in drawn.alt and "no-gating 0.500 (-0.060, worse)" in drawn.alt
    scores, differences = drawn.figure.axes  # type: ignore[union-attr]
    assert scores.get_xlabel() == "CCC" and differences.get_xlabel() == "CCC against the whole method"
    points = [line.get_xdata()[0] for line in differences.get_lines() if line.get_marker() == "o"]
    assert points == pytest.approx([-0.01, -0.06])


def test_toy_results_say_so() -> None:
    drawn = draw_ablation(RESULT | {"mark": "toy: not for real use", "notes": ["toy: not for real use"]})
    assert drawn.caption.startswith("toy: not for real use. ")


def test_studies_beside_the_page_stand_in_it(tmp_path: Path) -> None:
    metrics = {key: RESULT[key] for key in ("corpus", "split", "n")} | {"model": {"weights_sha256": "a" * 64}}
    assert study_sections(read_studies(tmp_path), metrics) == []
    (tmp_path / "ablation.json").write_text(json.dumps(RESULT))
    (section,) = study_sections(read_studies(tmp_path), metrics)
    assert section.title == "Ablation" and section.groups[0].pictures[0].alt == draw_ablation(RESULT).alt
