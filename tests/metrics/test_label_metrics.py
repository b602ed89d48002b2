"""Scores of label sets against scikit-learn, and worked by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, label_ranking_loss, precision_score
from tests.jackknife import share_interval

from tricue.metrics.label_metrics import score_labels

CLASSES = ["a", "b", "c", "d"]


def drawn_rows(rows: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets (N, C) and answers (N, C, 2); equal probabilities are common, some rows have no label, or all."""
    random = np.random.default_rng(seed)
    targets = (random.random((rows, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(np.float32)
    targets[:2] = [[0, 0, 0, 0], [1, 1, 1, 1]]
    chances = np.round(np.clip(0.3 * targets + 0.7 * random.random((rows, 4)), 0, 1), 1)
    return targets, np.stack([chances, chances >= [0.5, 0.4, 0.6, 0.3]], axis=-1)


def scored(targets: np.ndarray, answers: np.ndarray, **more: object) -> dict:
    given = {"groups": None, "kind": "row"} | more
    return score_labels(targets, [answers], CLASSES, **given)  # type: ignore[arg-type]


def test_worked_by_hand() -> None:
    """Class a: named 3, true 2, right 1; class b: named 1, true 1, right 1; c and d are never there."""
    targets = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    named = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=np.float64)
    found = scored(targets, np.stack([named, named], axis=-1))
    assert found["per_class"]["a"]["f1"]["value"] == pytest.approx(2 / 5)
    assert found["macro_f1"]["value"] == pytest.approx((2 / 5 + 1) / 2)  # c and d have no row to find
    assert found["micro_f1"]["value"] == pytest.approx(4 / 7)
    assert found["weighted_f1"]["value"] == pytest.approx((2 * 2 / 5 + 1) / 3)
    assert found["per_class"]["c"] == {
        "precision": {"value": 0.0, "low": None, "high": None}, "recall": dict.fromkeys(("value", "low", "high")),
        "f1": {"value": 0.0, "low": None, "high": None}, "ap": dict.fromkeys(("value", "low", "high")), "support": 0,
    }  # fmt: skip


def test_numbers_are_those_of_scikit_learn() -> None:
    targets, answers = drawn_rows()
    found = scored(targets, answers)
    chances, named = answers[..., 0], answers[..., 1]
    for name in ("macro", "micro", "weighted"):
        assert found[f"{name}_f1"]["value"] == pytest.approx(f1_score(targets, named, average=name))
    assert found["map"]["value"] == pytest.approx(average_precision_score(targets, chances, average="macro"))
    assert found["ranking_loss"]["value"] == pytest.approx(label_ranking_loss(targets, chances))
    precision = precision_score(targets, named, average=None)
    assert [found["per_class"][name]["precision"]["value"] for name in CLASSES] == pytest.approx(precision)


def test_intervals_are_those_of_the_rows_without_each_group() -> None:
    targets, answers = drawn_rows(60, seed=3)
    members = np.repeat(np.arange(12), 5)
    found = scored(targets, answers, groups=[f"g{i:02d}" for i in members], kind="dialogue")
    for name, number in (
        ("macro_f1", lambda t, a: f1_score(t, a[..., 1], average="macro")),
        ("map", lambda t, a: average_precision_score(t, a[..., 0], average="macro")),
        ("ranking_loss", lambda t, a: label_ranking_loss(t, a[..., 0])),
    ):
        kept = [members != g for g in range(12)]
        want = share_interval(found[name]["value"], [number(targets[rows], answers[rows]) for rows in kept])
        assert [found[name]["low"], found[name]["high"]] == pytest.approx(want)


def test_over_seeds_numbers_are_means() -> None:
    targets, one = drawn_rows(seed=1)
    other = drawn_rows(seed=2)[1]
    both = score_labels(targets, [one, other], CLASSES, None, "row")
    alone = [scored(targets, run)["macro_f1"]["value"] for run in (one, other)]
    assert both["macro_f1"]["value"] == pytest.approx(np.mean(alone))
    assert both["seeds"]["std"]["macro_f1"] == pytest.approx(np.std(alone, ddof=1))
