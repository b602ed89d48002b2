"""Scores of the surest rows, against scikit-learn on the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from tricue.evaluation.selective import score_by_coverage


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
