"""Are two models that were tested on the same rows different? The statistics of `tricue compare`.

The headline number is tested over whole groups (dialogues, speakers), because rows of one dialogue share
their luck: a test over rows takes n for larger than it is and finds differences that are none. McNemar's exact test
stands beside it where answers are right or wrong, for readers who look for it.

Legend: N rows, G groups, B blocks of groups, S seeds. Every difference is second minus first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from scipy import stats

from tricue.metrics.grouped_intervals import (
    Grouping,
    Sample,
    Spread,
    Statistics,
    as_number,
    interval,
    jackknife,
    leave_out,
    mean_statistics,
)

Number = dict[str, float | None]  # value, low, high; None: undefined
Verdict = Literal["better", "worse", "no difference shown", "the same weights"]

ALPHA = 0.05  # the chance of a false finding, and what LEVEL leaves out
POWER = 0.8
_DECIMALS = 12  # scores that differ by less are the same score, summed in another order


@dataclass(frozen=True)
class Scores:
    """A model's numbers, the mean over its seeds: (1,) of all rows, and (B,) without each block of groups."""

    values: Statistics
    without: Statistics

    @classmethod
    def of(cls, sample: Sequence[Sample], grouping: Grouping) -> "Scores":
        """sample: of each seed, on the same rows."""
        score = partial(mean_statistics, sample)
        return cls(score(np.ones((1, len(grouping)))), leave_out(score, grouping))


@dataclass(frozen=True)
class Paired:
    """What the comparison of two models comes to."""

    differences: dict[str, Number]  # by name, the tested one first
    p: float | None  # of the tested one, two-sided; None: cannot be tested
    standard_error: float | None  # of its difference; None: undefined
    degrees: float | None  # of freedom of the t distribution


def compare_paired(first: Scores, second: Scores, names: Sequence[str]) -> Paired:
    """The differences of the scores, each with its interval, and the test of the first.

    names: of the numbers; the first is tested.

    Intervals are difference +- t error, with the jackknife error of the difference (`jackknife`); p is that of the same
    t, so that p is at most 0.05 where the interval leaves out 0, and nowhere else.

    The interval covers the choice of groups: other dialogues of the same kind. It does not cover the choice
    of seeds (see each model's spread over its seeds), of training data or of settings, nor another corpus.
    """
    values, without = (
        {name: np.round(after[name] - before[name], _DECIMALS) for name in names}
        for before, after in ((first.values, second.values), (first.without, second.without))
    )
    spreads = {name: jackknife(without[name]) for name in names}
    differences = {
        name: as_number(float(values[name][0]), interval(values[name][0], spread, (-np.inf, np.inf)))
        for name, spread in spreads.items()
    }
    return _test(differences, float(values[names[0]][0]), spreads[names[0]])


def _test(differences: dict[str, Number], value: float, spread: Spread) -> Paired:
    error, degrees = float(spread.error), float(spread.degrees)
    if np.isnan(value) or np.isnan(error):
        return Paired(differences, None, None, None)
    if error < 10.0**-_DECIMALS:  # all groups alike: no spread to test against
        return Paired(differences, 1.0 if value == 0 else None, 0.0, degrees)
    return Paired(differences, float(2 * stats.t.sf(abs(value / error), degrees)), error, degrees)


def smallest_detectable(paired: Paired, alpha: float) -> float | None:
    """The true difference that a two-sided test at `alpha` would show with 80% power.

    (t_(1 - alpha/2) + t_0.8) standard errors (Bloom 1995). It holds for two models that disagree as often as these do.
    None where there is no spread to reckon with.
    """
    if not paired.standard_error:
        return None
    t = stats.t(paired.degrees)
    return float((t.ppf(1 - alpha / 2) + t.ppf(POWER)) * paired.standard_error)


def mcnemar(first: np.ndarray, second: np.ndarray) -> dict[str, float | int]:
    """McNemar's exact test on the rows that only one of two models gets right; (N,) bool both.

    Several seeds of a model are one vote: an ensemble, which is better than its mean seed, so unequal numbers of seeds
    favour the model with more. Under no difference, only_first is binomial (only_first + only_second, 1/2)
    (McNemar 1947, in the exact form).
    """
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    apart = only_first + only_second
    return {
        "both_right": int(np.sum(first & second)),
        "only_first": only_first,
        "only_second": only_second,
        "neither": int(np.sum(~first & ~second)),
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


def judge(paired: Paired, corrected: float | None) -> tuple[Verdict, str | None]:
    """The verdict on the second model by the corrected p of its tested difference, and why none is given where the
    interval leaves out 0, or nothing can be tested."""
    if paired.p is None or corrected is None:
        return "no difference shown", "cannot be tested: too few groups, or no spread between them"
    if corrected > ALPHA:
        by_itself = "the interval leaves out 0, the corrected p is above 0.05"
        return "no difference shown", by_itself if paired.p <= ALPHA else None
    value = next(iter(paired.differences.values()))["value"]
    return ("better" if value is not None and value > 0 else "worse"), None
