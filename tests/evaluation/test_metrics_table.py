"""What a reader sees: the right numbers in the right form."""

from typing import Any

import numpy as np
import pytest

from tricue.evaluation.metrics_table import as_text, metrics_table, percent_with_interval, subsets_table
from tricue.metrics.class_metrics import score

EMOTIONS = ["frustrated", "joy"]


def metrics(runs: int = 1, groups: list[str] | None = None) -> dict[str, Any]:
    labels = np.arange(40) % 2
    random = np.random.default_rng(0)
    scores = [np.eye(2)[np.where(random.random(40) < 0.8, labels, 1 - labels)] for _ in range(runs)]
    return score(labels, scores, EMOTIONS, groups, "speaker")


def test_a_number_is_percent_with_its_interval_in_brackets() -> None:
    assert percent_with_interval({"value": 0.6121, "low": 0.589, "high": 0.634}) == "61.2 [58.9, 63.4]"
    assert percent_with_interval({"value": 0.0, "low": None, "high": None}) == "0.0"
    assert percent_with_interval({"value": None, "low": None, "high": None}) == "–"


def test_metrics_table_shows_every_number_within_80_columns() -> None:
    numbers = metrics(runs=2)
    text = as_text(metrics_table(numbers, "MELD [test]"), width=80)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "MELD [test]" in text and max(map(len, text.splitlines())) <= 80
    for name in ("weighted_f1", "accuracy", "macro_f1", "uar"):
        assert percent_with_interval(numbers[name]) in text
    entry = numbers["per_class"]["frustrated"]
    cells = lines["frustrated"].split()
    for cell, name in zip(
        (cells[1], cells[2], cells[3], cells[7]), ("accuracy", "precision", "recall", "auc"), strict=True
    ):
        assert cell == f"{100 * entry[name]['value']:.1f}"
    assert percent_with_interval(entry["f1"]) in lines["frustrated"] and cells[-1] == "20"
    assert "95% intervals over 40 rows; mean of 2 seeds" in text
    assert "over seeds" in lines["UAR"]


def test_few_groups_are_marked() -> None:
    text = as_text(metrics_table(metrics(groups=["a", "b"] * 20), "x"))
    assert "2 speakers (few groups)" in text and "over seeds" not in text


@pytest.mark.parametrize("name", ["text+audio", "text [red]audio[/red]"])
def test_subsets_table_has_one_line_per_run(name: str) -> None:
    numbers = metrics()
    lines = as_text(subsets_table([(name, numbers), ("video", numbers)], title="Subsets"), width=80).splitlines()
    [line] = [line for line in lines if name in line]  # not read as markup
    assert percent_with_interval(numbers["weighted_f1"]) in line
    assert line.split()[-1] == "40" and any(line.startswith("  video") for line in lines)


def test_long_names_of_classes_cut_no_number_at_80_columns() -> None:
    names = ["disappointment", "a class of a rather long name"]
    labels, chances = np.arange(400) % 2, np.random.default_rng(0).random(400)
    numbers = score(labels, [np.stack([1 - chances, chances], axis=1)], names, None, "speaker")
    text = as_text(metrics_table(numbers, "t"), width=80)
    assert "…" not in text and "disappointment" in text
    assert all(word in text for word in names[1].split())
    for entry in numbers["per_class"].values():
        assert percent_with_interval(entry["f1"]) in text
