"""Numbers with 95% intervals over groups of rows, whatever the numbers are.

Everything is computed from group weights: (D, G), how often each group (dialogue, speaker or row) counts in
each of D weightings. All ones give the value itself, ones without one group the jackknife, the identity matrix the
score of each group alone.

Legend: N rows, G groups, B blocks of groups, D weightings, S seeds (runs scored on the same rows).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
from scipy import stats

from tricue.types import InputError

GroupKind = Literal["dialogue", "speaker", "row"]

LEVEL = 0.95
FEW_GROUPS = 10  # below: marked, and each group's own score is given
MOST_BLOCKS = 1000  # more groups are left out several at a time: corpora without dialogues have a group per row
_CELLS = 2**19  # rows x weightings held at once: stays in the processor's cache, bounds memory on large corpora
UNIT = (0.0, 1.0)

Statistics = dict[str, np.ndarray]  # name of a number -> (D,), or (D, K) of each class or target; NaN: 0/0


class Sample(Protocol):
    """One seed's answers, in the form that weightings need."""

    def statistics(self, weights: np.ndarray) -> Statistics:
        """Every number under each weighting; weights (D, G)."""
        ...


@dataclass(frozen=True)
class Rescored:
    """A sample of any numbers: each weighting scores its rows anew."""

    score: Callable[[np.ndarray], Mapping[str, float | None]]  # of (n,) row numbers
    members: np.ndarray  # (N,) group of each row

    def statistics(self, weights: np.ndarray) -> Statistics:
        rows = np.arange(len(self.members))
        drawn = [self.score(np.repeat(rows, own[self.members].astype(int))) for own in weights]
        return {name: np.array([own[name] for own in drawn], dtype=float) for name in drawn[0]}


@dataclass(frozen=True)
class Grouping:
    """What intervals leave out in turn."""

    kind: GroupKind
    keys: np.ndarray  # (G,) names
    members: np.ndarray  # (N,) group of each row, 0..G-1

    @classmethod
    def of(cls, groups: Sequence[str] | None, kind: GroupKind, rows: int) -> "Grouping":
        """groups: (N,) each row's group; None: each row by itself.

        Raises InputError without rows, ValueError where groups and rows differ in number.
        """
        if rows == 0:
            raise InputError("No row to score: the split has no labelled utterance. Choose another with --split.")
        names = np.arange(rows) if groups is None else np.asarray(groups)
        if names.shape != (rows,):
            raise ValueError(f"groups are {names.shape}, rows {rows}")
        keys, members = np.unique(names, return_inverse=True)
        return cls("row" if groups is None else kind, keys, members)

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Numbers:
    """Values with their bounds, and how they were made."""

    values: Statistics  # (), or (K,)
    bounds: Statistics  # (2,), or (2, K)
    common: dict[str, Any]  # n, interval, groups, seeds of metrics.json

    def number(self, name: str, item: int | None = None) -> dict[str, float | None]:
        """`{"value", "low", "high"}`; item: of one class or target."""
        value, bounds = self.values[name], self.bounds[name]
        return as_number(float(value), bounds) if item is None else as_number(float(value[item]), bounds[:, item])


def measure_grouped(
    sample: Sequence[Sample],
    grouping: Grouping,
    *,
    headline: Sequence[str],
    zero: Sequence[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
) -> Numbers:
    """The mean over the seeds of every number, with its interval.

    The interval (`interval`, from `leave_out`) tells of the choice of groups, `seeds.std` (ddof 1) of the choice of
    seed. With fewer than 10 groups `interval.mark` is "few groups", and `groups` holds each group's first headline
    number.

    Args:
        sample: One entry per seed, on the same rows.
        grouping: Group of each row.
        headline: Numbers whose spread over the seeds is given; the first is that of `groups`.
        zero: Numbers that count as 0 where they are 0/0, as in scikit-learn with zero_division=0.
        limits: Least and largest value of numbers that are not between 0 and 1.
    """
    score = partial(mean_statistics, sample)
    per_seed = [run.statistics(np.ones((1, len(grouping)))) for run in sample]
    values = {name: numbers[0] for name, numbers in _mean(per_seed).items()}
    bounds = {
        name: interval(values[name], jackknife(without), (limits or {}).get(name, UNIT))
        for name, without in leave_out(score, grouping).items()
    }
    common = {
        "n": len(grouping.members),
        "interval": how_made(grouping),
        "groups": {"kind": grouping.kind, "count": len(grouping), **_by_group(score, grouping, headline[0])},
        "seeds": {"n": len(sample), "std": {name: _deviation(per_seed, name) for name in headline}},
    }
    filled = [own | {name: np.nan_to_num(own[name]) for name in zero} for own in per_seed]
    return Numbers({name: numbers[0] for name, numbers in _mean(filled).items()}, bounds, common)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below; NaN where it is 0/0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def as_number(value: float, bounds: np.ndarray) -> dict[str, float | None]:
    """`{"value", "low", "high"}`, None where one is undefined."""
    numbers = {"value": value, "low": float(bounds[0]), "high": float(bounds[1])}
    return {key: None if np.isnan(number) else number for key, number in numbers.items()}


def _mean(runs: Sequence[Statistics]) -> Statistics:
    return {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}


def mean_statistics(sample: Sequence[Sample], weights: np.ndarray) -> Statistics:
    """The mean over the seeds under each weighting; weights (D, G)."""
    return _mean([run.statistics(weights) for run in sample])


def leave_out(statistics: Callable[[np.ndarray], Statistics], grouping: Grouping) -> Statistics:
    """The numbers without each group in turn, (B,) or (B, K).

    More than MOST_BLOCKS groups are dealt into blocks of equal size, and blocks are left out (Kott 2001). Nothing
    is left without the only group: NaN.
    """
    groups = len(grouping)
    if groups == 1:
        return {name: np.full_like(own, np.nan) for name, own in statistics(np.ones((1, 1))).items()}
    blocks = -(-groups // -(-groups // MOST_BLOCKS))
    block = np.arange(groups) % blocks
    step = max(1, _CELLS // len(grouping.members))
    parts = [
        statistics((block != np.arange(start, min(start + step, blocks))[:, None]).astype(float))
        for start in range(0, blocks, step)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class Spread:
    """How far numbers vary with the choice of groups, () or (K,) each; NaN: undefined."""

    error: np.ndarray  # standard error
    degrees: np.ndarray  # of freedom of Student's t


def jackknife(without: np.ndarray) -> Spread:
    """(B,) or (B, K) of `leave_out` -> the standard error, and what it rests on.

    The error is Tukey's (1958). It is itself uncertain where few groups carry a number, such as the F1 of a rare class:
    the degrees of freedom are Satterthwaite's (1946), 2 error^4 / var(error^2), with the variance from the kurtosis of
    the B influences. They are B - 1 where the influences have tails as short as the normal distribution's.

    A number that is 0/0 without some group rests on that group: its error is NaN.
    """
    blocks = len(without)
    squares = (without - without.mean(axis=0)) ** 2
    total = squares.sum(axis=0)
    kurtosis = blocks * ratio((squares**2).sum(axis=0), total**2)
    degrees = 2 * blocks * (blocks - 1) / ((blocks - 1) * kurtosis - (blocks - 3))
    return Spread(np.sqrt((blocks - 1) / blocks * total), np.fmin(degrees, blocks - 1))


def interval(value: np.ndarray, spread: Spread, limits: tuple[float, float] = UNIT) -> np.ndarray:
    """() or (K,) -> (2,) or (2, K): value +- t error, which holds the value.

    Between two finite limits on the logit scale, so that a number near a limit has its longer side away from it.
    """
    least, most = limits
    half = stats.t.ppf((1 + LEVEL) / 2, spread.degrees) * spread.error
    if not np.isfinite(most - least):
        return np.clip([value - half, value + half], least, most)
    share = np.clip((value - least) / (most - least), 0.0, 1.0)
    slope = share * (1 - share) * (most - least)
    reach = np.where(slope > 0, half / np.where(slope > 0, slope, 1.0), half)
    factor = np.exp(np.minimum(reach, 700.0))  # of the odds; exp(710) overflows
    ends = [share / (share + (1 - share) * odds) for odds in (factor, 1 / factor)]
    return least + (most - least) * np.stack(ends)


def how_made(grouping: Grouping) -> dict[str, Any]:
    """How the intervals were made. draws, seed: nothing is drawn, as the percentile bootstrap of 0.1 did."""
    return {
        "method": "jackknife over groups, Student's t",
        "level": LEVEL,
        "unit": grouping.kind,
        "groups": len(grouping),
        "draws": None,
        "seed": None,
        "mark": "few groups" if len(grouping) < FEW_GROUPS else None,
    }


def _by_group(
    score: Callable[[np.ndarray], Statistics], grouping: Grouping, name: str
) -> dict[str, dict[str, float | None]]:
    if len(grouping) >= FEW_GROUPS:
        return {}
    named = zip(grouping.keys, score(np.eye(len(grouping)))[name].tolist(), strict=True)
    return {name: {str(key): None if np.isnan(value) else value for key, value in named}}


def _deviation(per_seed: Sequence[Statistics], name: str) -> float | None:
    return float(np.std([run[name][0] for run in per_seed], ddof=1)) if len(per_seed) > 1 else None
