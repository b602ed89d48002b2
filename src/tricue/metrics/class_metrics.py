"""The numbers of the categorical task: confusion counts and AUC.

A confusion matrix under a weighting of the groups is weights @ (G, C*C) per-group matrices; an AUC is a weighted rank
sum over the rows.

Legend: N rows, C classes, G groups, D weightings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricue.metrics.grouped_intervals import Grouping, GroupKind, Statistics, measure_grouped, ratio

HEADLINE = (
    "weighted_f1",
    "accuracy",
    "macro_f1",
    "uar",
    "weighted_precision",
    "weighted_recall",
    "macro_precision",
    "macro_recall",
)
PER_CLASS = ("accuracy", "precision", "recall", "f1", "auc")


def score(
    labels: np.ndarray,
    probabilities: np.ndarray | Sequence[np.ndarray],
    emotions: Sequence[str],
    groups: Sequence[str] | None,
    group_kind: GroupKind,
) -> dict[str, Any]:
    """All metrics of one model, or the mean over several seeds of it, JSON-ready, as fractions 0..1.

    labels: (N,) class indices. probabilities: (N, C), or one such array per seed on the same rows: every
    number is then the mean over the seeds; the interval tells of the choice of
    groups and `seeds.std` (ddof 1) of the choice of seed. groups: (N,) each row's group; None: each row by
    itself ("row").

    Each number is `{"value", "low", "high"}`; numbers follow scikit-learn with zero_division=0, AUC (one
    class against the rest) its `roc_auc_score`. Macro F1, macro precision and UAR (= macro recall) are means
    over the classes in the truth: one without support is left out (with `labels=range(C)` scikit-learn counts
    it as 0). AUC and recall of such a class are None. Intervals as `measure_grouped`
    makes them; low and high are None where a number rests on a single group.

    Raises InputError without rows, ValueError for shapes, labels or probabilities that make no sense.
    """
    runs = [probabilities] if isinstance(probabilities, np.ndarray) else list(probabilities)
    grouping = Grouping.of(groups, group_kind, len(labels))
    _check(labels, runs, len(emotions))
    sample = [_Run.of(labels, run, grouping.members, len(grouping)) for run in runs]
    found = measure_grouped(sample, grouping, headline=HEADLINE, zero=("class_precision", "class_f1"))
    support = np.bincount(labels, minlength=len(emotions))
    return {
        **{name: found.number(name) for name in HEADLINE},
        "per_class": {
            emotion: {**{name: found.number(f"class_{name}", c) for name in PER_CLASS}, "support": int(support[c])}
            for c, emotion in enumerate(emotions)
        },
        "confusion": _confusion(sample),
        **found.common,
    }


def _check(labels: np.ndarray, runs: list[np.ndarray], classes: int) -> None:
    if not runs:
        raise ValueError("No probabilities to score.")
    for run in runs:
        if run.shape != (len(labels), classes):
            raise ValueError(f"probabilities are {run.shape}, not (rows, classes) = {(len(labels), classes)}")
        if not np.isfinite(run).all():
            rows = np.flatnonzero(~np.isfinite(run).all(axis=1))
            raise ValueError(f"probabilities of {len(rows)} rows are not finite, first row {rows[0]}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must be whole numbers from 0 to {classes - 1}")


@dataclass(frozen=True)
class _Ranks:
    """One class of one run, sorted once: who stands below whom."""

    positives: np.ndarray  # (P,) rows of the class
    negatives: np.ndarray  # (N - P,) the other rows, by rising score
    below: np.ndarray  # (P,) number of negatives with a lower score than the positive
    upto: np.ndarray  # (P,) number of negatives with a lower score or the same

    @classmethod
    def of(cls, positive: np.ndarray, scores: np.ndarray) -> "_Ranks":
        positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
        negatives = negatives[np.argsort(scores[negatives], kind="stable")]
        ordered = scores[negatives]
        below = np.searchsorted(ordered, scores[positives], side="left")
        return cls(positives, negatives, below, np.searchsorted(ordered, scores[positives], side="right"))

    def auc(self, weights: np.ndarray) -> np.ndarray:
        """weights (N, D) of the rows -> (D,): the share of pairs in the right order, ties counting half."""
        cumulative = np.zeros((len(self.negatives) + 1, weights.shape[1]))
        np.cumsum(weights[self.negatives], axis=0, out=cumulative[1:])
        positive = weights[self.positives]
        wins = np.einsum("pd,pd->d", positive, cumulative[self.below])
        wins += np.einsum("pd,pd->d", positive, cumulative[self.upto])
        return ratio(wins / 2, positive.sum(axis=0) * cumulative[-1])


@dataclass(frozen=True)
class Confusions:
    """What one seed's guesses come to, in the form that weightings need."""

    confusion: np.ndarray  # (G, C, C) per group, rows = truth

    def statistics(self, weights: np.ndarray) -> Statistics:
        """The numbers that confusion matrices hold under each weighting; weights (D, G)."""
        groups, classes, _ = self.confusion.shape
        return confusion_statistics((weights @ self.confusion.reshape(groups, -1)).reshape(-1, classes, classes))


@dataclass(frozen=True)
class _Run(Confusions):
    """With the probabilities' ranks."""

    members: np.ndarray  # (N,) group of each row
    ranks: list[_Ranks]  # one per class

    @classmethod
    def of(cls, labels: np.ndarray, probabilities: np.ndarray, members: np.ndarray, groups: int) -> "_Run":
        classes = probabilities.shape[1]
        confusion = group_confusions(labels, probabilities, members, groups)
        return cls(confusion, members, [_Ranks.of(labels == c, probabilities[:, c]) for c in range(classes)])

    def statistics(self, weights: np.ndarray) -> Statistics:
        row_weights = np.ascontiguousarray(weights.T)[self.members]
        auc = np.stack([ranks.auc(row_weights) for ranks in self.ranks], axis=1)
        return {**super().statistics(weights), "class_auc": auc}


def group_confusions(labels: np.ndarray, probabilities: np.ndarray, members: np.ndarray, groups: int) -> np.ndarray:
    """(G, C, C) counts per group, rows = truth; members: (N,) the group of each row, 0..G-1."""
    classes = probabilities.shape[1]
    confusion = np.zeros((groups, classes, classes))
    np.add.at(confusion, (members, labels, probabilities.argmax(axis=1)), 1)
    return confusion


def confusion_statistics(confusion: np.ndarray) -> Statistics:
    """(D, C, C), rows = truth -> the numbers that confusion matrices hold."""
    support, predicted = confusion.sum(axis=2), confusion.sum(axis=1)  # (D, C)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    n = support.sum(axis=1)
    precision, recall = ratio(right, predicted), ratio(right, support)
    f1 = ratio(2 * right, support + predicted)
    share = support / n[:, None]
    present = support > 0
    macro = present / present.sum(axis=1, keepdims=True)
    numbers: Statistics = {"accuracy": right.sum(axis=1) / n}
    for name, values in {"precision": precision, "recall": recall, "f1": f1}.items():
        defined = np.nan_to_num(values)  # zero_division=0
        numbers[f"weighted_{name}"] = (share * defined).sum(axis=1)
        numbers[f"macro_{name}"] = (macro * defined).sum(axis=1)
        numbers[f"class_{name}"] = values
    numbers["uar"] = numbers["macro_recall"]
    numbers["class_accuracy"] = (n[:, None] - support - predicted + 2 * right) / n[:, None]
    return numbers


def _confusion(sample: list[_Run]) -> list[list[float]] | list[list[int]]:
    """Rows = truth; counts, over several seeds their mean."""
    mean = np.mean([run.confusion.sum(axis=0) for run in sample], axis=0)
    return mean.astype(int).tolist() if len(sample) == 1 else mean.tolist()
