"""The numbers of `metrics.json` and their 95% intervals (design.md, section 6).

Everything is computed from group weights: (D, G), how often each group (dialogue, speaker or row) counts in
each of D weightings. All ones give the value itself, multinomial draws the bootstrap, the identity matrix the
score of each group alone. A confusion matrix under a weighting is weights @ (G, C*C) per-group matrices; an
AUC is a weighted rank sum over the rows.

Legend: N rows, C classes, G groups, D weightings, S seeds (runs scored on the same rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from tricue.types import InputError

GroupKind = Literal["dialogue", "speaker", "row"]

LEVEL = 0.95
FEW_GROUPS = 10  # below: a t interval, for a percentile bootstrap of 4 groups covers 81% instead of 95%
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
_BLOCK = 2**19  # rows x draws held at once: stays in the processor's cache, bounds memory on large corpora

Statistics = dict[str, np.ndarray]  # headline name -> (D,), per-class name -> (D, C); NaN: undefined (0/0)


def score(
    labels: np.ndarray,
    probabilities: np.ndarray | Sequence[np.ndarray],
    emotions: Sequence[str],
    groups: Sequence[str] | None,
    group_kind: GroupKind,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """All metrics of one model, or the mean over several seeds of it, JSON-ready, as fractions 0..1.

    labels: (N,) class indices. probabilities: (N, C), or one such array per seed on the same rows: every
    number is then the mean over the seeds, within each draw too, so that the interval tells of the choice of
    groups and `seeds.std` (ddof 1) of the choice of seed. groups: (N,) each row's group; None: each row by
    itself ("row").

    Each number is `{"value", "low", "high"}`; numbers follow scikit-learn with zero_division=0, AUC (one
    class against the rest) its `roc_auc_score`. Macro F1, macro precision and UAR (= macro recall) are means
    over the classes in the truth: one without support is left out (with `labels=range(C)` scikit-learn counts
    it as 0). AUC and recall of such a class are None. Where a number is 0/0 in a draw or a group, that draw
    or group is left out of its interval; low and high are None where fewer than two remain.

    Intervals: percentiles over `draws` multinomial draws of the groups. With fewer than 10 groups: mean +- t
    s / sqrt(k) over the groups' own scores, cut to [0, 1], `interval.mark` = "few groups" and each group's
    weighted F1 under `groups`; centred on the mean of the groups, from which the pooled `value` can differ.

    Raises InputError without rows, ValueError for shapes, labels or probabilities that make no sense.
    """
    runs = [probabilities] if isinstance(probabilities, np.ndarray) else list(probabilities)
    names = np.arange(len(labels)) if groups is None else np.asarray(groups)
    _check(labels, runs, len(emotions), names)
    keys, members = np.unique(names, return_inverse=True)
    sample = [_Run.of(labels, run, members, len(keys)) for run in runs]
    per_seed = [run.statistics(np.ones((1, len(keys)))) for run in sample]
    values = {name: numbers[0] for name, numbers in _mean([_zero_division(s) for s in per_seed]).items()}
    bounds, groups_alone = _bounds(sample, len(keys), draws, seed)
    kind: GroupKind = "row" if groups is None else group_kind
    support = np.bincount(labels, minlength=len(emotions))
    return {
        **{name: _number(values[name], bounds[name]) for name in HEADLINE},
        "per_class": _per_class(values, bounds, emotions, support),
        "confusion": _confusion(sample),
        "n": len(labels),
        "interval": how_drawn(kind, len(keys), draws, seed),
        "groups": {"kind": kind, "count": len(keys), **_by_group(keys, groups_alone)},
        "seeds": {"n": len(runs), "std": {name: _deviation(per_seed, name) for name in HEADLINE}},
    }


def _check(labels: np.ndarray, runs: list[np.ndarray], classes: int, names: np.ndarray) -> None:
    if len(labels) == 0:
        raise InputError(
            "No row to score: the split has no utterance with an emotion. Choose another with --split."
        )
    if not runs:
        raise ValueError("No probabilities to score.")
    for run in runs:
        if run.shape != (len(labels), classes):
            raise ValueError(f"probabilities are {run.shape}, not (rows, classes) = {(len(labels), classes)}")
        if not np.isfinite(run).all():
            rows = np.flatnonzero(~np.isfinite(run).all(axis=1))
            raise ValueError(f"probabilities of {len(rows)} rows are not finite, first row {rows[0]}")
    if names.shape != (len(labels),):
        raise ValueError(f"groups are {names.shape}, labels {labels.shape}")
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
    def of(cls, positive: np.ndarray, scores: np.ndarray) -> _Ranks:
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
        return _ratio(wins / 2, positive.sum(axis=0) * cumulative[-1])


@dataclass(frozen=True)
class _Run:
    """What one seed's probabilities come to, in the form that weightings need."""

    members: np.ndarray  # (N,) group of each row
    confusion: np.ndarray  # (G, C, C) per group, rows = truth
    ranks: list[_Ranks]  # one per class

    @classmethod
    def of(cls, labels: np.ndarray, probabilities: np.ndarray, members: np.ndarray, groups: int) -> _Run:
        classes = probabilities.shape[1]
        confusion = group_confusions(labels, probabilities, members, groups)
        return cls(members, confusion, [_Ranks.of(labels == c, probabilities[:, c]) for c in range(classes)])

    def statistics(self, weights: np.ndarray) -> Statistics:
        """Every number under each weighting; weights (D, G)."""
        groups, classes, _ = self.confusion.shape
        confusion = (weights @ self.confusion.reshape(groups, -1)).reshape(-1, classes, classes)
        row_weights = np.ascontiguousarray(weights.T)[self.members]
        auc = np.stack([ranks.auc(row_weights) for ranks in self.ranks], axis=1)
        return {**confusion_statistics(confusion), "class_auc": auc}


def group_confusions(
    labels: np.ndarray, probabilities: np.ndarray, members: np.ndarray, groups: int
) -> np.ndarray:
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
    precision, recall = _ratio(right, predicted), _ratio(right, support)
    f1 = _ratio(2 * right, support + predicted)
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


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _mean(runs: list[Statistics]) -> Statistics:
    return {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}


def _zero_division(statistics: Statistics) -> Statistics:
    """Precision and F1 of a class that are 0/0 count as 0, as in scikit-learn with zero_division=0."""
    filled = {name: np.nan_to_num(statistics[name]) for name in ("class_precision", "class_f1")}
    return statistics | filled


def _bounds(sample: list[_Run], groups: int, draws: int, seed: int) -> tuple[Statistics, Statistics | None]:
    """(2,) or (2, C) low and high of each number; and, where groups are few, the scores of each alone."""
    if groups < FEW_GROUPS:
        alone = _mean([run.statistics(np.eye(groups)) for run in sample])
        return {name: _over_defined(scores, t_interval) for name, scores in alone.items()}, alone
    rows = len(sample[0].members)
    blocks = [_mean([run.statistics(w) for run in sample]) for w in draw_weights(groups, rows, draws, seed)]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return {name: _percentile_interval(scores) for name, scores in drawn.items()}, None


def draw_weights(groups: int, rows: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each group is drawn, (draws, G) in blocks: G groups with replacement, G times."""
    random = np.random.default_rng(seed)
    step = max(1, _BLOCK // rows)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        yield random.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(float)


def _percentile_interval(scores: np.ndarray) -> np.ndarray:
    """(D,) or (D, C) over the draws -> (2,) or (2, C)."""
    return _over_defined(scores, lambda x: np.quantile(x, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))


def t_interval(scores: np.ndarray, least: float = 0.0, most: float = 1.0) -> np.ndarray:
    """(G,) over two groups or more -> (2,): Student's t, cut to what the score can be."""
    half = stats.t.ppf((1 + LEVEL) / 2, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores))
    return np.clip([scores.mean() - half, scores.mean() + half], least, most)


def _over_defined(scores: np.ndarray, bounds: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`bounds` of each column's defined entries; NaN where fewer than two are."""
    columns = scores.reshape(len(scores), -1).T
    kept = [column[~np.isnan(column)] for column in columns]
    pairs = [bounds(column) if len(column) > 1 else np.full(2, np.nan) for column in kept]
    return np.stack(pairs, axis=1).reshape(2, *scores.shape[1:])


def _per_class(
    values: Statistics, bounds: Statistics, emotions: Sequence[str], support: np.ndarray
) -> dict[str, dict[str, Any]]:
    def entry(c: int) -> dict[str, Any]:
        names = {name: f"class_{name}" for name in PER_CLASS}
        numbers = {name: _number(values[key][c], bounds[key][:, c]) for name, key in names.items()}
        return {**numbers, "support": int(support[c])}

    return {emotion: entry(c) for c, emotion in enumerate(emotions)}


def _number(value: float, bounds: np.ndarray) -> dict[str, float | None]:
    numbers = {"value": float(value), "low": float(bounds[0]), "high": float(bounds[1])}
    return {name: None if np.isnan(number) else number for name, number in numbers.items()}


def _confusion(sample: list[_Run]) -> list[list[float]] | list[list[int]]:
    """Rows = truth; counts, over several seeds their mean."""
    mean = np.mean([run.confusion.sum(axis=0) for run in sample], axis=0)
    return mean.astype(int).tolist() if len(sample) == 1 else mean.tolist()


def how_drawn(kind: GroupKind, groups: int, draws: int, seed: int) -> dict[str, Any]:
    """How the intervals were made."""
    few = groups < FEW_GROUPS
    return {
        "method": "t over per-group scores" if few else "percentile bootstrap of groups",
        "level": LEVEL,
        "unit": kind,
        "groups": groups,
        "draws": None if few else draws,
        "seed": None if few else seed,
        "mark": "few groups" if few else None,
    }


def _by_group(keys: np.ndarray, alone: Statistics | None) -> dict[str, dict[str, float]]:
    if alone is None:
        return {}
    scores = alone["weighted_f1"].tolist()
    return {"weighted_f1": {str(key): value for key, value in zip(keys, scores, strict=True)}}


def _deviation(per_seed: list[Statistics], name: str) -> float | None:
    return float(np.std([run[name][0] for run in per_seed], ddof=1)) if len(per_seed) > 1 else None
