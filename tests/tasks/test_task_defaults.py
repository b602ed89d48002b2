"""What a task of a plugin need not say: `Task` says it for its kind."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tricue.data.labels import Labels
from tricue.data.target_columns import TargetColumns
from tricue.evaluation.metrics_table import _items, as_text
from tricue.report.cases import choose_cases
from tricue.tasks.task import Task


class Column(TargetColumns):
    columns = ("mood",)

    def cells(self, label: Any) -> dict[str, str]:
        return {"mood": {"low": "-1", "high": "1"}[label]}

    def read(self, cells: Mapping[str, str], fault: Any) -> str:
        return {"-1": "low", "1": "high"}[cells["mood"]]


class Mood(Task):
    """As little as a task of classes can say."""

    name, kind = "mood", "classes"
    numbers: ClassVar[Mapping[str, str]] = {"hits": "Hit rate"}
    items, item_heading = "per_class", "Class"
    item_numbers: ClassVar[Mapping[str, str]] = {"recall": "Recall"}
    names = ["low", "high"]  # noqa: RUF012

    def columns(self, labels: Labels) -> Column:
        return Column()


Mood.__abstractmethods__ = frozenset()  # what training and answers ask for is no matter here
MOOD = Mood()
ANSWERS = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])


def test_a_label_is_written_as_its_column_reads_it() -> None:
    assert MOOD.label_cells("high") == {"label": "1"}


def test_targets_of_classes_are_class_numbers_or_shares() -> None:
    assert MOOD.strata(np.array([0, 1, 1])).tolist() == [0, 1, 1]
    assert MOOD.strata(np.array([[0.5, 0.5], [0.2, 0.8]])).tolist() == [0, 1]
    colouring = MOOD.colouring(np.array([0, 1, 1]))
    assert colouring.classes == ["low", "high"] and colouring.values.tolist() == [0, 1, 1]


def test_an_answer_is_right_whose_mean_over_the_seeds_is_the_class() -> None:
    right = MOOD.right(np.array([0, 1, 1]), [ANSWERS, np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])])
    assert right is not None and right.tolist() == [False, True, True]  # means 0.45, 0.3, 0.1 of the first class


def test_a_report_shows_right_and_wrong_rows() -> None:
    cases = choose_cases(MOOD, np.array([0, 1, 1]), ANSWERS, np.ones(3, dtype=bool))
    assert [(case.why, case.row) for case in cases] == [
        ("right, surest", 0), ("right, least sure", 2), ("wrong, surest", 1),
    ]  # fmt: skip


def test_a_headline_need_not_be_named_after_a_number_of_the_classes() -> None:
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    table = as_text(_items({"low": {"recall": number}}, Mood))
    assert "50.0" in table and "[" not in table
