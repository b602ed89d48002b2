"""ROC curves and confusion matrices hold scikit-learn's numbers, and say where a class cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from tricue.report.classes import draw_confusion, draw_roc
from tricue.report.readings import Reading

Make = Callable[..., Reading]


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    chances = rng.dirichlet([1, 1, 1], 90) + 0.4 * np.eye(3)[labels]
    return labels, chances / chances.sum(axis=1, keepdims=True)


def test_areas_are_scikit_learns(make_reading: Make, answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, chances = answers
    drawn = draw_roc(make_reading(labels, chances, phase=2))
    assert drawn.name == "roc-phase2" and list(drawn.data) == ["anger", "joy", "neutral"]
    for c, numbers in enumerate(drawn.data.values()):
        area = roc_auc_score(labels == c, chances[:, c])
        assert numbers["auc"] == pytest.approx(area, abs=1e-12)
        assert f"{area:.3f}" in drawn.alt
        assert numbers["true_positive_rate"][0] == 0 and numbers["false_positive_rate"][-1] == 1


def test_counts_and_shares_are_scikit_learns(
    make_reading: Make, answers: tuple[np.ndarray, np.ndarray]
) -> None:
    labels, chances = answers
    data = draw_confusion(make_reading(labels, chances)).data
    counts = confusion_matrix(labels, chances.argmax(axis=1))
    assert data["counts"] == counts.tolist()
    assert np.allclose(data["shares_percent"], 100 * counts / counts.sum(axis=1, keepdims=True), atol=1e-3)


def test_a_class_without_rows_is_named_and_the_others_drawn(make_reading: Make) -> None:
    labels, chances = np.array([0, 1] * 5), np.tile([0.5, 0.3, 0.2], (10, 1))
    roc, confusion = draw_roc(make_reading(labels, chances)), draw_confusion(make_reading(labels, chances))
    assert list(roc.data) == ["anger", "joy"] and "neutral" in roc.caption
    assert "neutral" in confusion.caption and confusion.data["shares_percent"][2] == [0, 0, 0]


def test_a_class_of_one_row_is_drawn(make_reading: Make) -> None:
    labels = np.array([0] * 9 + [1])
    drawn = draw_roc(make_reading(labels, np.tile([0.9, 0.1, 0.0], (10, 1))))
    assert set(drawn.data) == {"anger", "joy"} and drawn.data["joy"]["auc"] == 0.5


def test_one_class_alone_says_why_there_is_no_curve(make_reading: Make) -> None:
    labels, chances = np.zeros(5, dtype=int), np.tile([0.9, 0.1], (5, 1))
    drawn = draw_roc(make_reading(labels, chances))
    assert drawn.figure is None and "one class" in drawn.why_not
    assert draw_confusion(make_reading(labels, chances)).figure is not None
