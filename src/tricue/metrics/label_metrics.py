"""The numbers of the multilabel task: F1 of label sets, average precision, ranking loss.

Legend: N rows, C classes, G groups, D weightings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricue.metrics.grouped_intervals import Grouping, GroupKind, Statistics, measure_grouped, ratio

HEADLINE = ("macro_f1", "micro_f1", "weighted_f1", "map", "ranking_loss")
PER_CLASS = ("precision", "recall", "f1", "ap")


def score_labels(
    targets: np.ndarray,
    runs: Sequence[np.ndarray],
    classes: Sequence[str],
    groups: Sequence[str] | None,
    kind: GroupKind,
) -> dict[str, Any]:
    """All metrics of one model, or the mean over several seeds of it, JSON-ready.

    Numbers follow scikit-learn with zero_division=0: `f1_score`, `average_precision_score` (`map`: its mean over the
    classes) and `label_ranking_loss`. Means over the classes leave out one without support. Intervals as
    `measure_grouped` makes them.

    Args:
        targets: 0 or 1 per class.
        runs: One array per seed; of each class its probability and whether the model names it.
        classes: Names of the classes.
        groups: What intervals leave out: each row's group; None: the rows.
        kind: Of the groups.

    Shape:
        targets: (N, C). runs: (N, C, 2) each.
    """
    truth = targets.astype(bool)
    grouping = Grouping.of(groups, kind, len(targets))
    sample = [LabelRun.of(truth, run, grouping) for run in runs]
    zero = ("class_precision", "class_f1")
    found = measure_grouped(sample, grouping, headline=HEADLINE, zero=zero)
    support = truth.sum(axis=0)
    return {
        **{name: found.number(name) for name in HEADLINE},
        "per_class": {
            name: {**{key: found.number(f"class_{key}", c) for key in PER_CLASS}, "support": int(support[c])}
            for c, name in enumerate(classes)
        },
        **found.common,
    }


@dataclass(frozen=True)
class _Precision:
    """One class of one run, sorted once by falling probability."""

    order: np.ndarray  # (N,) rows
    positive: np.ndarray  # (N,) bool in this order
    last: np.ndarray  # (N,) place of the last row with the same probability

    @classmethod
    def of(cls, positive: np.ndarray, scores: np.ndarray) -> "_Precision":
        order = np.argsort(-scores, kind="stable")
        falling = -scores[order]
        return cls(order, positive[order], np.searchsorted(falling, falling, side="right") - 1)

    def average(self, weights: np.ndarray) -> np.ndarray:
        """weights (N, D) of the rows -> (D,): the mean over the positives of the precision down to each."""
        own = weights[self.order]
        found = np.cumsum(own * self.positive[:, None], axis=0)
        places = self.last[self.positive]
        precision = ratio(found[places], np.cumsum(own, axis=0)[places])
        hits = own[self.positive]
        return ratio((np.nan_to_num(precision) * hits).sum(axis=0), hits.sum(axis=0))


@dataclass(frozen=True)
class LabelRun:
    """What one seed's answers come to, in the form that weightings need."""

    members: np.ndarray  # (N,) group of each row
    counts: np.ndarray  # (G, 3, C) per group: right, named, true
    ranking: np.ndarray  # (G, 2) per group: rows, sum of their ranking losses
    precisions: list[_Precision]  # one per class

    @classmethod
    def of(cls, truth: np.ndarray, answers: np.ndarray, grouping: Grouping) -> "LabelRun":
        """truth: (N, C) bool. answers: (N, C, 2) as `score_labels` takes them."""
        groups, (rows, classes) = len(grouping), truth.shape
        chances, named = answers[..., 0], answers[..., 1] > 0.5
        counts, ranking = np.zeros((groups, 3, classes)), np.zeros((groups, 2))
        np.add.at(counts, grouping.members, np.stack([truth & named, named, truth], axis=1))
        np.add.at(ranking, grouping.members, np.stack([np.ones(rows), ranking_losses(truth, chances)], axis=1))
        precisions = [_Precision.of(truth[:, c], chances[:, c]) for c in range(classes)]
        return cls(grouping.members, counts, ranking, precisions)

    def statistics(self, weights: np.ndarray) -> Statistics:
        """Every number under each weighting; weights (D, G)."""
        groups, kinds, classes = self.counts.shape
        counted = (weights @ self.counts.reshape(groups, -1)).reshape(-1, kinds, classes)
        row_weights = np.ascontiguousarray(weights.T)[self.members]
        average = np.stack([own.average(row_weights) for own in self.precisions], axis=1)
        rows, losses = (weights @ self.ranking).T
        return {**count_statistics(counted), **_precision_statistics(average), "ranking_loss": losses / rows}


def ranking_losses(truth: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """(N, C) both -> (N,): of the pairs of a true and another class the share that is not in this order.

    0 for a row with all classes or none, as in scikit-learn.
    """
    wrong = np.zeros(len(truth))
    for c in range(truth.shape[1]):
        wrong += truth[:, c] * ((chances >= chances[:, c : c + 1]) & ~truth).sum(axis=1)
    true = truth.sum(axis=1)
    return np.nan_to_num(ratio(wrong, true * (truth.shape[1] - true)))


def count_statistics(counts: np.ndarray) -> Statistics:
    """(D, 3, C) of each class how often it is rightly named, named, true -> the numbers that these hold."""
    right, named, true = counts[:, 0], counts[:, 1], counts[:, 2]
    f1 = ratio(2 * right, named + true)
    present = true > 0
    defined = np.nan_to_num(f1)
    return {
        "micro_f1": np.nan_to_num(ratio(2 * right.sum(axis=1), (named + true).sum(axis=1))),
        "macro_f1": ratio((present * defined).sum(axis=1), present.sum(axis=1)),
        "weighted_f1": ratio((true * defined).sum(axis=1), true.sum(axis=1)),
        "class_precision": ratio(right, named),
        "class_recall": ratio(right, true),
        "class_f1": f1,
    }


def _precision_statistics(average: np.ndarray) -> Statistics:
    """average: (D, C), NaN for a class without a positive row."""
    met = ~np.isnan(average)
    return {"map": ratio(np.nansum(average, axis=1), met.sum(axis=1)), "class_ap": average}
