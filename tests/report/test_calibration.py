"""The pictures of calibration and coverage say what was computed."""

from __future__ import annotations

import numpy as np
import pytest

from tricue.report.calibration import draw_calibration, draw_coverage


def test_what_is_drawn_is_what_is_told(make_reading) -> None:  # type: ignore[no-untyped-def]
    labels = np.array([0, 1, 2, 0])
    chances = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]])
    drawn = draw_calibration(make_reading(labels, chances, phase=3))
    assert drawn.data["ece"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert (
        "15.0 points" in drawn.alt
        and "before the temperature 32.1" in drawn.alt
        and "mean confidence 70.0%" in drawn.alt
        and "accuracy 75.0%" in drawn.alt
    )


def test_coverage_of_two_phases(make_reading) -> None:  # type: ignore[no-untyped-def]
    labels = np.arange(40) % 2
    sure = np.where(np.arange(40) < 20, 0.9, 0.6)  # the surer half is right, of the other half the even rows
    zero = np.where((np.arange(40) < 20) & (labels == 1), 1 - sure, sure)
    chances = np.stack([zero, 1 - zero, np.zeros(40)], axis=1)
    drawn = draw_coverage([make_reading(labels, chances, phase=1), make_reading(labels, chances, phase=2)])
    steps = drawn.data["phase 1"]
    assert [(s["rows"], s["accuracy"]) for s in steps] == [(40, 0.75), (20, 1.0)]
    assert [s["confidence"] for s in steps] == pytest.approx([0.6, 0.9])
    assert "100.0% at 50%" in drawn.alt and drawn.data["phase 2"] == steps
