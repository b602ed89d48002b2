"""Scores over groups, against scipy and the textbook."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tricue.baseline.group_score import GroupScore, difference, group_score, groups_of
from tricue.types import Utterance

RANDOM = np.random.default_rng(1)


def of_mean(values: np.ndarray) -> GroupScore:
    return GroupScore(float(values.mean()), float(stats.sem(values)), len(values), "row")


def test_the_interval_is_that_of_welch() -> None:
    first, second = RANDOM.normal(1.0, 1.0, 12), RANDOM.normal(0.2, 3.0, 7)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    found = difference(of_mean(first), of_mean(second))
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["value"] == pytest.approx(first.mean() - second.mean())


def test_scores_without_spread_differ_by_what_they_differ_by() -> None:
    found = difference(GroupScore(0.9, 0.0, 5, "row"), GroupScore(0.5, 0.0, 5, "row"))
    assert found == {"value": 0.4, "low": 0.4, "high": 0.4}


class Means:
    """Answers scored by their mean."""

    def headline(self) -> str:
        return "mean"

    def compared(self, targets: Any, runs: Any, grouping: Any) -> Any:
        sums = np.bincount(grouping.members, runs[0], len(grouping))
        counts = np.bincount(grouping.members, minlength=len(grouping))
        return [SimpleNamespace(statistics=lambda weights: {"mean": weights @ sums / (weights @ counts)})]


def test_the_standard_error_is_that_of_a_mean_over_the_groups() -> None:
    """Of ten groups of three equal rows it is s / sqrt(10), not the smaller one of thirty rows."""
    values = np.repeat(RANDOM.standard_normal(10), 3)
    rows = [Utterance(f"u{i}", speaker=f"s{i // 3}") for i in range(30)]
    found = group_score(Means(), rows, np.zeros(30), values)  # type: ignore[arg-type]
    assert found is not None and (found.groups, found.unit) == (10, "speaker")
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(stats.sem(values[::3]), rel=0.15)  # of 200 draws


def people(speakers: str, dialogues: str) -> list[Utterance]:
    """A row per letter; "-" names nobody."""
    pairs = zip(speakers, dialogues, strict=True)
    return [Utterance(f"u{i}", speaker=s.strip("-") or None, dialogue=d.strip("-") or None)
            for i, (s, d) in enumerate(pairs)]  # fmt: skip


@pytest.mark.parametrize(
    ("speakers", "dialogues", "groups", "unit"),
    [
        ("abcdef", "------", "abcdef", "speaker"),
        ("------", "aabbcc", "aabbcc", "dialogue"),
        ("ababcdcdee", "1122334455", "1111333355", "speaker group"),  # two dialogues of a and b
        ("aabbcc", "123456", "aabbcc", "speaker"),  # several dialogues of each speaker
        ("abcaabbcca", "1112233445", "1112233445", "dialogue"),  # everybody talks with everybody
        ("aaaab", "-----", "01234", "row"),  # nobody is left when a is left out
        ("ab-", "---", "012", "row"),
    ],
)
def test_groups_are_what_can_be_left_out(speakers: str, dialogues: str, groups: str, unit: str) -> None:
    found, what = groups_of(people(speakers, dialogues))
    assert what == unit
    np.testing.assert_array_equal(found[:, None] == found, np.array(list(groups))[:, None] == np.array(list(groups)))


def test_too_few_groups_are_rows() -> None:
    assert groups_of(people("aabbcc", "------"), fewest=4)[1] == "row"
