"""Are two models that were tested on the same rows different? The statistics of `tricue compare`.

Weighted F1 is tested by drawing whole groups (dialogues, speakers) again, because rows of one dialogue share
their luck: a test over rows takes n for larger than it is and finds differences that are none. McNemar's
exact test stands beside it, for readers who look for it.

Legend: N rows, C classes, G groups, D weightings, S seeds. Every difference is second minus first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from tricue.evaluation.metrics import (
    FEW_GROUPS,
    LEVEL,
    Statistics,
    confusion_statistics,
    draw_weights,
    group_confusions,
    t_interval,
)

Number = dict[str, float | None]  # value, low, high; None: undefined
Verdict = Literal["better", "worse", "no difference shown", "the same weights"]

TESTED = "weighted_f1"
DESCRIBED = ("accuracy", "macro_f1", "uar")  # shown with intervals, not tested
NAMES = (TESTED, *DESCRIBED)
ALPHA = 0.05  # the chance of a false finding, and what LEVEL leaves out
POWER = 0.8
_DECIMALS = 12  # scores that differ by less are the same score, summed in another order


@dataclass(frozen=True)
class Paired:
    """What the comparison of two models comes to."""

    differences: dict[str, Number]  # by NAMES, fractions
    p: float | None  # of TESTED, two-sided, never 0; None: cannot be tested
    standard_error: float | None  # of the difference in TESTED
    degrees: int | None  # of freedom of the t distribution; None: the bootstrap's normal


def seed_scores(labels: np.ndarray, runs: Sequence[np.ndarray]) -> Statistics:
    """Each number of NAMES, (S,), for runs of (N, C) probabilities."""
    everything = np.ones((1, 1))
    one = np.zeros(len(labels), dtype=int)
    scores = [_scores([group_confusions(labels, run, one, 1)], everything) for run in runs]
    return {name: np.array([score[name][0] for score in scores]) for name in NAMES}


def compare_paired(
    labels: np.ndarray,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    members: np.ndarray,
    draws: int,
    seed: int,
) -> Paired:
    """The differences of the scores, each model's score being the mean over its seeds, within each draw too.

    labels: (N,) class indices. first, second: (N, C) probabilities per seed; their numbers may differ.
    members: (N,) the group of each row, 0..G-1.

    Intervals are percentiles over `draws` multinomial draws of the groups, the same for both models
    (Efron & Tibshirani 1993, ch. 13); p is twice the smaller share of draws on one side of 0, the value itself
    counted as one more on each (Davison & Hinkley 1997, ch. 4). With fewer than 10 groups: Student's paired t
    over the groups' own differences, whose mean can differ from the pooled `value`.

    The interval covers the choice of groups: other dialogues of the same kind. It does not cover the choice
    of seeds (see each model's spread over its seeds), of training data or of settings, nor another corpus.
    """
    groups = int(members.max()) + 1
    sides = [[group_confusions(labels, run, members, groups) for run in runs] for runs in (first, second)]

    def change(weights: np.ndarray) -> Statistics:
        before, after = (_scores(side, weights) for side in sides)
        return {name: np.round(after[name] - before[name], _DECIMALS) for name in NAMES}

    values = {name: float(numbers[0]) for name, numbers in change(np.ones((1, groups))).items()}
    if groups < FEW_GROUPS:
        return _by_t(values, change(np.eye(groups)))
    blocks = [change(weights) for weights in draw_weights(groups, len(labels), draws, seed)]
    return _by_draws(values, {name: np.concatenate([block[name] for block in blocks]) for name in NAMES})


def _scores(confusions: Sequence[np.ndarray], weights: np.ndarray) -> Statistics:
    """The mean over the seeds under each weighting: (G, C, C) per seed, weights (D, G) -> NAMES, (D,) each."""
    groups, classes, _ = confusions[0].shape
    weighted = [(weights @ c.reshape(groups, -1)).reshape(-1, classes, classes) for c in confusions]
    per_seed = [confusion_statistics(confusion) for confusion in weighted]
    return {name: np.mean([numbers[name] for numbers in per_seed], axis=0) for name in NAMES}


def _by_draws(values: dict[str, float], drawn: Statistics) -> Paired:
    numbers: dict[str, Number] = {}
    for name, value in values.items():
        low, high = np.quantile(drawn[name], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        numbers[name] = {"value": value, "low": float(low), "high": float(high)}
    tested = drawn[TESTED]
    side = min(np.sum(tested <= 0), np.sum(tested >= 0))
    p = min(1.0, 2 * (int(side) + 1) / (len(tested) + 1))
    return Paired(numbers, p, float(tested.std(ddof=1)), None)


def _by_t(values: dict[str, float], alone: Statistics) -> Paired:
    """values: pooled; alone: (G,) the difference in each group."""
    groups = len(alone[TESTED])
    if groups < 2:
        return Paired(
            {n: {"value": v, "low": None, "high": None} for n, v in values.items()}, None, None, None
        )
    numbers: dict[str, Number] = {}
    for name, value in values.items():
        low, high = t_interval(alone[name], least=-1.0)
        numbers[name] = {"value": value, "low": float(low), "high": float(high)}
    mean, error = alone[TESTED].mean(), alone[TESTED].std(ddof=1) / np.sqrt(groups)
    if error < 10.0**-_DECIMALS:  # all groups alike: no spread to test against
        return Paired(numbers, 1.0 if mean == 0 else None, 0.0, groups - 1)
    return Paired(numbers, float(2 * stats.t.sf(abs(mean / error), groups - 1)), float(error), groups - 1)


def smallest_detectable(paired: Paired, alpha: float) -> float | None:
    """The true difference that a two-sided test at `alpha` would show with 80% power, as a fraction.

    (z_(1 - alpha/2) + z_0.8) standard errors, t quantiles with few groups (Bloom 1995). It holds for two models
    that disagree as often as these do. None where there is no spread to reckon with.
    """
    if not paired.standard_error:
        return None
    known = stats.norm if paired.degrees is None else stats.t(paired.degrees)
    return float((known.ppf(1 - alpha / 2) + known.ppf(POWER)) * paired.standard_error)


def mcnemar(
    labels: np.ndarray, first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> dict[str, float | int]:
    """McNemar's exact test on the rows that only one of two models gets right; shapes as `compare_paired`.

    Several seeds of a model are one vote, the class of the highest mean probability: an ensemble, which is
    better than its mean seed, so unequal numbers of seeds favour the model with more. Under no difference,
    only_first is binomial (only_first + only_second, 1/2) (McNemar 1947, in the exact form).
    """
    one, two = (np.mean(runs, axis=0).argmax(axis=1) == labels for runs in (first, second))
    only_first, only_second = int(np.sum(one & ~two)), int(np.sum(two & ~one))
    apart = only_first + only_second
    return {
        "both_right": int(np.sum(one & two)),
        "only_first": only_first,
        "only_second": only_second,
        "neither": int(np.sum(~one & ~two)),
        "p": float(stats.binomtest(only_first, apart).pvalue) if apart else 1.0,
    }


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (1979): the chance of any false finding among all of them stays at alpha.

    The k-th smallest of m is multiplied by m - k + 1; none falls below a smaller one, none rises over 1.
    One that cannot be tested (None) counts among the m and stays None.
    """
    corrected: list[float | None] = [None] * len(p_values)
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    least = 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, p * (len(p_values) - rank)))
        corrected[i] = least
    return corrected


def judge(number: Number, corrected: float | None) -> tuple[Verdict, str | None]:
    """The verdict on the second model, and why none is given where the signs of one are there.

    Only where the corrected p is at most 0.05, the interval leaves out 0, and the value lies on the interval's
    side of 0. Where these disagree, no difference is shown: the cautious reading.
    """
    value, low, high = number["value"], number["low"], number["high"]
    if value is None or low is None or high is None or corrected is None:
        return "no difference shown", "cannot be tested: too few groups, or no spread between them"
    side = 1 if low > 0 else -1 if high < 0 else 0
    if corrected > ALPHA:
        return (
            "no difference shown",
            "the interval leaves out 0, the corrected p is above 0.05" if side else None,
        )
    if side == 0:
        return "no difference shown", "p is at most 0.05, the interval holds 0"
    if side != np.sign(value):
        return "no difference shown", "the pooled difference and the mean of the groups point apart"
    return ("better" if side > 0 else "worse"), None
