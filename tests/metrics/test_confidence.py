"""Confidences by hand and against scikit-learn: whether they come true, and the scores of the surest rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import f1_score

from tricue.metrics.confidence import BINS, reliability, score_by_coverage

ROWS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60)


def test_each_step_is_the_score_of_the_rows_at_least_as_sure() -> None:
    rng = np.random.default_rng(0)
    chances = softmax(rng.normal(0, 2, (300, 4)), axis=1)
    labels = np.array([rng.choice(4, p=row) for row in chances])
    steps = score_by_coverage(chances, labels, 4)
    assert [s["rows"] for s in steps] == [300 * k // 20 for k in range(20, 0, -1)]
    for step in steps:
        kept = chances.max(axis=1) >= step["confidence"]
        guesses = chances.argmax(axis=1)[kept]
        assert step["rows"] == kept.sum() and step["coverage"] == pytest.approx(kept.mean())
        assert step["weighted_f1"] == pytest.approx(
            f1_score(labels[kept], guesses, average="weighted", zero_division=0)
        )
    assert steps[-1]["accuracy"] > steps[0]["accuracy"]  # of these rows, confidence tells of being right


def test_rows_of_one_confidence_are_one_step() -> None:
    chances = np.tile([0.7, 0.3], (30, 1))
    (step,) = score_by_coverage(chances, np.zeros(30, int), 2)
    assert step["coverage"] == 1.0 and step["accuracy"] == 1.0


def test_a_few_rows_are_scored_whole() -> None:
    (step,) = score_by_coverage(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), 2)
    assert step["rows"] == 2


def test_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    right = np.array([True, False, True, True])
    found = reliability(confidence, right)
    assert found["ece"] == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert [(b["rows"], b["accuracy"]) for b in found["bins"]] == [(2, 1.0), (2, 0.5)]


@given(ROWS)
def test_bins_hold_every_row_once_and_the_error_is_their_weighted_gap(rows: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    found = reliability(confidence, right)
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
    bins = reliability(confidence, right)["bins"]
    assert np.allclose([b["accuracy"] for b in bins], accuracy)
    assert np.allclose([b["confidence"] for b in bins], mean)
