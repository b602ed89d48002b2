"""The pictures of calibration and coverage say what was computed."""

import numpy as np
import pytest

from tricue.figures.confidence_figures import NO_ANSWER, draw_calibration, draw_coverage
from tricue.tasks.temperature import expected_calibration_error, uncalibrated


def test_what_is_drawn_is_what_is_told(make_answers) -> None:  # type: ignore[no-untyped-def]
    labels = np.array([0, 1, 2, 0])
    chances = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]])
    drawn = draw_calibration(make_answers(labels, chances, phase=3, temperature=2.0))
    before = expected_calibration_error(uncalibrated(chances, 2.0), labels)
    assert round(before, 3) != 0.15
    assert drawn.data["ece"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert (
        "15.0 points" in drawn.alt
        and f"before the temperature {100 * before:.1f}" in drawn.alt
        and "mean confidence 70.0%" in drawn.alt
        and "accuracy 75.0%" in drawn.alt
    )


def test_coverage_of_two_phases(make_answers) -> None:  # type: ignore[no-untyped-def]
    labels = np.arange(40) % 2
    sure = np.where(np.arange(40) < 20, 0.9, 0.6)  # the surer half is right, of the other half the even rows
    zero = np.where((np.arange(40) < 20) & (labels == 1), 1 - sure, sure)
    chances = np.stack([zero, 1 - zero, np.zeros(40)], axis=1)
    drawn = draw_coverage([make_answers(labels, chances, phase=1), make_answers(labels, chances, phase=2)])
    steps = drawn.data["phase 1"]
    assert [(s["rows"], s["accuracy"]) for s in steps] == [(40, 0.75), (20, 1.0)]
    assert [s["confidence"] for s in steps] == pytest.approx([0.6, 0.9])
    assert "100.0% at 50%" in drawn.alt and drawn.data["phase 2"] == steps


def test_rows_without_an_answer_stand_in_neither(make_answers) -> None:  # type: ignore[no-untyped-def]
    """They hold the training shares, 0.6 for the largest: neither a confidence nor an answer."""
    labels = np.arange(60) % 2
    answered = np.arange(60) < 45
    sure = np.where(answered, np.linspace(0.95, 0.7, 60), 0.6)
    chances = np.stack([sure, 1 - sure], axis=1)
    reading = make_answers(labels, chances, answered=answered, temperature=1.5)
    calibration, coverage = draw_calibration(reading), draw_coverage([reading])
    whole = draw_calibration(make_answers(labels[:45], chances[:45], temperature=1.5))
    assert calibration.data == whole.data and calibration.alt == whole.alt
    assert sum(b["rows"] for b in calibration.data["bins"]) == 45
    steps = coverage.data["phase 1"]
    assert steps[0]["rows"] == 45 and steps[0]["coverage"] == pytest.approx(0.75)
    assert max(step["coverage"] for step in steps) == steps[0]["coverage"] and "at 75%" in coverage.alt
    for drawn in (calibration, coverage):
        assert drawn.caption.startswith("15 of 60 rows have no usable modality") and not whole.caption


def test_no_answer_at_all_is_told(make_answers) -> None:  # type: ignore[no-untyped-def]
    reading = make_answers(np.zeros(4, int), np.full((4, 2), 0.5), answered=np.zeros(4, bool))
    assert draw_calibration(reading).why_not == draw_coverage([reading]).why_not == NO_ANSWER
