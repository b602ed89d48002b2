"""Intervals over groups, by hand and against scipy: the jackknife, its degrees, limits, undefined numbers."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from scipy import stats

from tricue.metrics import grouped_intervals
from tricue.metrics.grouped_intervals import (
    FEW_GROUPS,
    Grouping,
    Rescored,
    Spread,
    Statistics,
    interval,
    jackknife,
    leave_out,
    mean_statistics,
    measure_grouped,
    ratio,
)

UNBOUNDED = (-np.inf, np.inf)
FIVE = np.array([0.5, 0.7, 0.9, 0.8, 0.6])


@dataclass(frozen=True)
class Mean:
    """The mean of values whose sums per group are given."""

    sums: np.ndarray  # (G, 2) sum, rows

    def statistics(self, weights: np.ndarray) -> Statistics:
        above, below = (weights @ self.sums).T
        return {"mean": ratio(above, below)}


def groups_of(*sizes: int) -> Grouping:
    return Grouping.of([f"g{g:02}" for g, size in enumerate(sizes) for _ in range(size)], "dialogue", sum(sizes))


def without_each(values: np.ndarray) -> np.ndarray:
    """The mean of groups of one row without each."""
    rows = np.ones_like(values)
    return leave_out(Mean(np.stack([values, rows], axis=1)).statistics, groups_of(*rows.astype(int)))["mean"]


def test_each_group_is_left_out_in_turn() -> None:
    sizes = np.array([1, 2, 3, 4] * 3)
    grouping, values = groups_of(*sizes), np.random.default_rng(0).normal(size=12)
    sample = Mean(np.stack([values * sizes, sizes], axis=1))
    expected = [np.average(np.delete(values, g), weights=np.delete(sizes, g)) for g in range(12)]
    assert leave_out(sample.statistics, grouping)["mean"] == pytest.approx(expected)


def test_the_jackknife_of_a_mean_is_the_classical_interval() -> None:
    """Standard error s / sqrt(G); 5 groups: t with 4 degrees of freedom."""
    spread = jackknife(without_each(FIVE))
    assert spread.error == pytest.approx(np.sqrt(0.025 / 5)) and spread.degrees == 4  # variance: 0.1 / 4
    low, high = interval(FIVE.mean(), spread, UNBOUNDED)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 4, FIVE.mean(), stats.sem(FIVE)))
    assert high - 0.7 == pytest.approx(2.776445 * 0.0707107, abs=1e-6)


def test_degrees_of_freedom_by_hand() -> None:
    """One group of eight stands apart: kurtosis of 7, -1, ... -1 is (7^4 + 7) / 8 / 7^2 = 301 / 49."""
    apart = jackknife(without_each(np.array([1.0] + [0.0] * 7)))
    assert apart.degrees == pytest.approx(2 * 8 / (301 / 49 - 5 / 7))  # 2.95 instead of 7
    even = jackknife(without_each(np.array([0.0, 1.0] * 4)))
    assert even.degrees == 7  # short tails give no more than G - 1


def test_degrees_of_freedom_are_those_of_the_variance_of_the_squared_error() -> None:
    """2 E^2 / var of s^2 over samples of a long-tailed distribution, Laplace's: 2 * 400 / (6 - 1)."""
    values = np.random.default_rng(4).laplace(size=(4000, 400))
    squared = values.var(axis=1, ddof=1)
    assert 2 * squared.mean() ** 2 / squared.var() == pytest.approx(160, rel=0.08)
    assert np.median([jackknife(without_each(own)).degrees for own in values[:40]]) == pytest.approx(160, rel=0.2)


def test_an_interval_near_a_limit_is_longer_away_from_it() -> None:
    """On the logit scale: 0.9 has log odds 2.197; the error 0.02 becomes 0.02 / 0.09 there."""
    few = Spread(np.array(0.02), np.array(4.0))
    reach = 2.776445 * 0.02 / 0.09
    expected = [1 / (1 + np.exp(-(np.log(9) + side * reach))) for side in (-1, 1)]
    low, high = interval(np.array(0.9), few)
    assert [low, high] == pytest.approx(expected, abs=1e-6) and 0.9 - low > high - 0.9
    wider = interval(np.array(0.8), Spread(np.array(0.04), np.array(4.0)), (-1.0, 1.0))
    assert wider == pytest.approx(2 * np.array(expected) - 1, abs=1e-6)
    assert interval(np.array(0.9), Spread(np.array(1e3), np.array(4.0))) == pytest.approx([0, 1])
    assert interval(np.array(0.01), few, (0.0, np.inf)) == pytest.approx([0.0, 0.01 + 2.776445 * 0.02], abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_without_spread_the_interval_is_the_value(value: float) -> None:
    spread = jackknife(np.full(6, value))
    assert interval(np.array(value), spread).tolist() == [value, value]
    assert interval(np.array(value), spread, UNBOUNDED).tolist() == [value, value]


def test_a_number_that_rests_on_one_group_has_no_interval() -> None:
    """Without the group the number is 0/0. Numbers beside it keep theirs."""
    without = np.stack([without_each(FIVE), [0.4, np.nan, 0.4, 0.4, 0.4]], axis=1)
    low, high = interval(np.array([0.7, 0.4]), jackknife(without), UNBOUNDED)
    assert (low[0], high[0]) == pytest.approx(stats.t.interval(0.95, 4, 0.7, stats.sem(FIVE)))
    assert np.isnan([low[1], high[1]]).all()


def test_one_group_has_no_interval_and_two_have_one() -> None:
    one = leave_out(Mean(np.array([[3.0, 4.0]])).statistics, groups_of(4))["mean"]
    assert np.isnan(interval(np.array(0.75), jackknife(one))).all()
    two = interval(np.array(0.5), jackknife(without_each(np.array([0.4, 0.6]))), UNBOUNDED)
    assert two == pytest.approx(stats.t.interval(0.95, 1, 0.5, 0.1))


def test_many_groups_are_left_out_in_equal_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped_intervals, "MOST_BLOCKS", 5)
    values = np.arange(12.0)
    found = without_each(values)
    expected = [np.delete(values, own).mean() for own in ([0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11])]
    assert found == pytest.approx(expected)
    monkeypatch.setattr(grouped_intervals, "_CELLS", 12)  # a block at a time
    assert without_each(values) == pytest.approx(expected)


def test_blocks_of_many_rows_give_the_same_error() -> None:
    values = np.random.default_rng(2).normal(size=20_000)
    spread = jackknife(without_each(values))
    assert spread.error == pytest.approx(stats.sem(values), rel=0.08)  # of 1000 blocks: 2.2%


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (4,) * FEW_GROUPS])
def test_few_groups_are_marked_and_their_own_numbers_given(sizes: tuple[int, ...]) -> None:
    own = np.linspace(0.4, 0.8, len(sizes))
    sample = Mean(np.stack([own * sizes, sizes], axis=1))
    found = measure_grouped([sample], groups_of(*sizes), headline=["mean"]).common
    few = len(sizes) < FEW_GROUPS
    assert found["interval"]["mark"] == ("few groups" if few else None)
    named = {f"g{g:02}": value for g, value in enumerate(own)}
    assert found["groups"].get("mean") == (pytest.approx(named) if few else None)
    assert (found["interval"]["draws"], found["interval"]["seed"], found["interval"]["level"]) == (None, None, 0.95)


def test_over_seeds_the_interval_is_that_of_the_mean() -> None:
    grouping, rng = groups_of(*[2] * 12), np.random.default_rng(1)
    runs = [Mean(np.stack([rng.uniform(size=12), np.full(12, 2.0)], axis=1)) for _ in range(3)]
    found = measure_grouped(runs, grouping, headline=["mean"], limits={"mean": UNBOUNDED})
    mean = np.mean([run.sums[:, 0] / 2 for run in runs], axis=0)  # of each group
    spread = jackknife(leave_out(partial(mean_statistics, runs), grouping)["mean"])
    assert spread.error == pytest.approx(stats.sem(mean)) and spread.degrees == 11
    number = found.number("mean")
    low, high = stats.t.interval(0.95, 11, mean.mean(), stats.sem(mean))
    assert [number["value"], number["low"], number["high"]] == pytest.approx([mean.mean(), low, high])
    values = [run.sums[:, 0].sum() / 24 for run in runs]
    assert found.common["seeds"] == {"n": 3, "std": {"mean": pytest.approx(np.std(values, ddof=1))}}


def test_rescored_rows_are_the_weighted_ones() -> None:
    values, members = np.arange(6.0), np.array([0, 0, 1, 1, 2, 2])
    sample = Rescored(lambda rows: {"mean": float(values[rows].mean()) if len(rows) else None}, members)
    weights = np.array([[1, 1, 1], [2, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=float)
    means = [np.average(values, weights=own[members]) for own in weights[:3]]
    assert sample.statistics(weights)["mean"] == pytest.approx([*means, np.nan], nan_ok=True)
