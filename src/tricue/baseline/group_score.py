"""The headline number of some answers with its standard error over groups, and the difference of two such numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tricue.metrics.grouped_intervals import LEVEL, Grouping
from tricue.tasks.task import Task
from tricue.types import Utterance

DRAWS = 200


@dataclass(frozen=True)
class GroupScore:
    """A score on rows of independent groups."""

    value: float
    standard_error: float
    groups: int
    unit: str  # what a group is: speaker group, dialogue, speaker or row


def groups_of(rows: Sequence[Utterance], fewest: int = 2) -> tuple[np.ndarray, str]:
    """(N,) group of each row, and what a group is: what shares no speaker and no dialogue with the others, else a
    dialogue, a speaker, or a row. Groups are at least `fewest`, and none has more than half of the rows."""
    named = {unit: [getattr(row, unit) for row in rows] for unit in ("dialogue", "speaker")}
    kinds = {unit: np.unique(own, return_inverse=True)[1] for unit, own in named.items() if own and None not in own}
    if len(kinds) == 2:
        apart = _apart(*kinds.values())
        kinds = {"speaker" if apart.max() == kinds["speaker"].max() else "speaker group": apart} | kinds
    for unit, groups in kinds.items():
        sizes = np.bincount(groups)
        if len(sizes) >= fewest and 2 * sizes.max() <= len(rows):
            return groups, unit
    return np.arange(len(rows)), "row"


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N,) numbers of the smallest groups of rows that have no name in common, of either kind."""
    count = int(first.max()) + 1
    links = coo_array((np.ones(len(first)), (first, second + count)), shape=(count + int(second.max()) + 1,) * 2)
    joined = connected_components(links, directed=False)[1][first]
    return np.unique(joined, return_inverse=True)[1]


def group_score(task: Task, rows: Sequence[Utterance], targets: np.ndarray, answers: np.ndarray) -> GroupScore | None:
    """The headline number and the deviation of 200 bootstrap draws of the groups, times sqrt(G / (G - 1)).

    None where it is undefined, and for a single group.

    Args:
        task: Whose number it is.
        rows: Scored rows.
        targets: Their labels, as the task encodes them.
        answers: As `Task.answers` gives them.
    """
    members, unit = groups_of(rows)
    grouping = Grouping("row", np.unique(members), members)
    groups, name = len(grouping), task.headline()
    if groups < 2:
        return None
    (sample,) = task.compared(targets, [answers], grouping)
    drawn = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS).astype(float)
    value = float(sample.statistics(np.ones((1, groups)))[name][0])
    error = float(np.nanstd(sample.statistics(drawn)[name], ddof=1) * np.sqrt(groups / (groups - 1)))
    return GroupScore(value, error, groups, unit) if np.isfinite([value, error]).all() else None


def difference(first: GroupScore, second: GroupScore) -> dict[str, float]:
    """First minus second, of independent groups: Welch's t interval."""
    squares = first.standard_error**2, second.standard_error**2
    value, error = first.value - second.value, float(np.sqrt(sum(squares)))
    if not error:
        return {"value": value, "low": value, "high": value}
    degrees = sum(squares) ** 2 / (squares[0] ** 2 / (first.groups - 1) + squares[1] ** 2 / (second.groups - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * error
    return {"value": value, "low": value - half, "high": value + half}
