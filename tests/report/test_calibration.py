"""The expected calibration error, by hand and by another way of counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from tricue.report.calibration import BINS, calibration, draw_calibration

ROWS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60)


def test_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    right = np.array([True, False, True, True])
    found = calibration(confidence, right)
    assert found["ece"] == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert [(b["rows"], b["accuracy"]) for b in found["bins"]] == [(2, 1.0), (2, 0.5)]


@given(ROWS)
def test_bins_hold_every_row_once_and_the_error_is_their_weighted_gap(rows: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    found = calibration(confidence, right)
    assert sum(b["rows"] for b in found["bins"]) == len(rows)
    gap = 0.0
    for b in range(BINS):  # bin b is (b / 10, (b + 1) / 10], the first holds 0
        own = [i for i, c in enumerate(confidence) if max(0, int(np.ceil(round(c * BINS, 12))) - 1) == b]
        if own:
            gap += len(own) / len(rows) * abs(right[own].mean() - confidence[own].mean())
    edges = np.abs(confidence * BINS - np.round(confidence * BINS)) < 1e-9
    if not edges.any():  # where 0.3 is 0.30000000000000004 either bin is right
        assert found["ece"] == pytest.approx(gap, abs=1e-9)
    assert 0 <= found["ece"] <= 1


def test_points_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    confidence, right = rng.uniform(0, 1, 400), rng.uniform(0, 1, 400) < 0.6
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS)
    bins = calibration(confidence, right)["bins"]
    assert np.allclose([b["accuracy"] for b in bins], accuracy)
    assert np.allclose([b["confidence"] for b in bins], mean)


def test_what_is_drawn_is_what_is_told(make_reading) -> None:  # type: ignore[no-untyped-def]
    labels = np.array([0, 1, 2, 0])
    chances = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]])
    drawn = draw_calibration(make_reading(labels, chances, phase=3))
    assert drawn.data["ece"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert (
        "15.0 points" in drawn.alt and "mean confidence 70.0%" in drawn.alt and "accuracy 75.0%" in drawn.alt
    )
