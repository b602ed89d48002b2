"""The numbers of the dimensional task: agreement and error of real-valued targets.

Legend: N rows, K targets, G groups, D weightings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricue.metrics.class_metrics import confusion_statistics, group_confusions
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Statistics, measure_grouped, ratio

HEADLINE = ("ccc", "pearson", "mae", "rmse")
# Of sentiment strength, as for CMU-MOSI: "Acc-2" and F1 in both conventions, and "Acc-7".
SENTIMENT = (
    "acc2_negative_nonnegative", "f1_negative_nonnegative",
    "acc2_negative_positive", "f1_negative_positive",
    "acc7",
)  # fmt: skip
STEPS = 3  # of Acc-7 on each side of 0
LIMITS = {name: (-1.0, 1.0) for name in ("ccc", "pearson")} | {name: (0.0, np.inf) for name in ("mae", "rmse")}


def score_targets(
    targets: np.ndarray,
    runs: Sequence[np.ndarray],
    names: Sequence[str],
    groups: Sequence[str] | None,
    kind: GroupKind,
    strengths: Sequence[float | None] | None = None,
) -> dict[str, Any]:
    """All metrics of one model, or the mean over several seeds of it, JSON-ready.

    Per target and as mean over the targets: CCC (Lin 1989, with variances over N), Pearson's correlation, mean absolute
    and root mean squared error. CCC and Pearson are undefined where the targets of the rows are all equal. Intervals as
    `measure_grouped` makes them.

    Args:
        targets: True values.
        runs: Predicted values, one array per seed.
        names: Of the targets.
        groups: What intervals leave out: each row's group; None: the rows.
        kind: Of the groups.
        strengths: Per target the end of its range where it is a sentiment strength from -end to end, which has the
            numbers of SENTIMENT too; None: it is none.

    Shape:
        targets: (N, K). runs: (N, K) each.
    """
    ends = list(strengths) if strengths is not None else [None] * len(names)
    grouping = Grouping.of(groups, kind, len(targets))
    sample = [TargetRun.of(targets, run, grouping, ends) for run in runs]
    limits = LIMITS | {f"target_{name}": limit for name, limit in LIMITS.items()}
    found = measure_grouped(sample, grouping, headline=HEADLINE, limits=limits)
    keys = [(*HEADLINE, *(SENTIMENT if end is not None else ())) for end in ends]
    return {
        **{name: found.number(name) for name in HEADLINE},
        "per_target": {
            name: {key: found.number(f"target_{key}", k) for key in keys[k]} for k, name in enumerate(names)
        },
        **found.common,
    }


@dataclass(frozen=True)
class TargetRun:
    """What one seed's values come to, in the form that weightings need."""

    sums: np.ndarray  # (G, 8, K) per group, of values about their overall mean: see `moment_statistics`
    signs: "list[_Signs | None]"  # one per target

    @classmethod
    def of(
        cls, targets: np.ndarray, values: np.ndarray, grouping: Grouping, ends: Sequence[float | None] = ()
    ) -> "TargetRun":
        terms = _moments(targets, values)
        sums = np.zeros((len(grouping), *terms.shape[1:]))
        np.add.at(sums, grouping.members, terms)
        signs = [
            None if end is None else _Signs.of(targets[:, k], values[:, k], end, grouping) for k, end in enumerate(ends)
        ]
        return cls(sums, signs)

    def statistics(self, weights: np.ndarray) -> Statistics:
        """Every number under each weighting; weights (D, G)."""
        groups, terms, targets = self.sums.shape
        summed = (weights @ self.sums.reshape(groups, -1)).reshape(-1, terms, targets)
        per_target = moment_statistics(summed)
        found = {name: values.mean(axis=1) for name, values in per_target.items()}
        found |= {f"target_{name}": values for name, values in per_target.items()}
        nothing: Statistics = {name: np.full(len(weights), np.nan) for name in SENTIMENT}
        if any(own is not None for own in self.signs):
            each = [nothing if own is None else own.statistics(weights) for own in self.signs]
            found |= {f"target_{name}": np.stack([own[name] for own in each], axis=1) for name in SENTIMENT}
        return found


def moment_statistics(sums: np.ndarray) -> Statistics:
    """(D, 8, K) weighted sums of 1, t, v, t^2, v^2, t v, |v - t|, (v - t)^2 -> (D, K) of each number."""
    n = sums[:, 0]
    t, v, tt, vv, tv, absolute, squared = (sums[:, i] / n for i in range(1, 8))
    var_t, var_v, cov = tt - t * t, vv - v * v, tv - t * v
    varies = var_t > 1e-12 * np.maximum(tt, 1e-300)  # what rounding leaves of equal values is none
    var_v = np.maximum(var_v, 0.0)
    return {
        "ccc": np.where(varies, 2 * cov / np.where(varies, var_t + var_v + (t - v) ** 2, 1.0), np.nan),
        "pearson": np.where(varies, ratio(cov, np.sqrt(np.maximum(var_t, 0.0) * var_v)), np.nan),
        "mae": absolute,
        "rmse": np.sqrt(squared),
    }


def concordance(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """CCC of each target, (N, K) both -> (K,); NaN where the targets are all equal."""
    return moment_statistics(_moments(targets, values).sum(axis=0)[None])["ccc"][0]


def _moments(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, 8, K) of each row 1, t, v, t^2, v^2, t v, |v - t|, (v - t)^2 about the mean of t."""
    centre = targets.mean(axis=0)  # sums of squares far from 0 lose digits
    t, v = targets - centre, values - centre
    return np.stack([np.ones_like(t), t, v, t * t, v * v, t * v, np.abs(v - t), (v - t) ** 2], axis=1)


@dataclass(frozen=True)
class _Signs:
    """Sentiment strength as classes, counted per group."""

    nonnegative: np.ndarray  # (G, 2, 2) negative or not
    positive: np.ndarray  # (G, 2, 2) negative or positive, rows whose truth is 0 left out
    steps: np.ndarray  # (G, 2) rows, and those whose nearest of seven steps is the true one

    @classmethod
    def of(cls, targets: np.ndarray, values: np.ndarray, end: float, grouping: Grouping) -> "_Signs":
        groups = len(grouping)

        def counted(truth: np.ndarray, guesses: np.ndarray, members: np.ndarray) -> np.ndarray:
            return group_confusions(truth.astype(int), np.eye(2)[guesses.astype(int)], members, groups)

        known = targets != 0
        steps = np.zeros((groups, 2))
        same = _step(targets, end) == _step(values, end)
        np.add.at(steps, grouping.members, np.stack([np.ones(len(same)), same], axis=1))
        return cls(
            counted(targets >= 0, values >= 0, grouping.members),
            counted(targets[known] > 0, values[known] > 0, grouping.members[known]),
            steps,
        )

    def statistics(self, weights: np.ndarray) -> Statistics:
        found: Statistics = {}
        for name, counts in (("negative_nonnegative", self.nonnegative), ("negative_positive", self.positive)):
            weighted = (weights @ counts.reshape(len(counts), 4)).reshape(-1, 2, 2)
            some = weighted.sum(axis=(1, 2)) > 0
            numbers = confusion_statistics(np.where(some[:, None, None], weighted, 1.0))
            found[f"acc2_{name}"] = np.where(some, numbers["accuracy"], np.nan)
            found[f"f1_{name}"] = np.where(some, numbers["weighted_f1"], np.nan)
        rows, right = (weights @ self.steps).T
        return {**found, "acc7": right / rows}


def _step(values: np.ndarray, end: float) -> np.ndarray:
    """The nearest of seven steps from -end to end."""
    return np.round(np.clip(values * STEPS / end, -STEPS, STEPS))
