"""The seed's comparison table: only beside scores of the same classes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tricue.report.page import Section
from tricue.report.published import CLASSES, TABLES, published_section

SENTIMENTS = ["negative", "neutral", "positive"]
FOUR = ["angry", "happy", "neutral", "sad"]


def section(corpus: str, classes: list[str]) -> list[Section]:
    number = {"value": 0.5, "low": None, "high": None}
    metrics: dict[str, Any] = {
        "corpus": corpus, "per_class": dict.fromkeys(classes), "split_role": "test", "protocol": "official",
        "modalities": ["text"], "accuracy": number, "weighted_f1": number,
    }  # fmt: skip
    return published_section(SimpleNamespace(evaluation=SimpleNamespace(metrics=metrics)))  # type: ignore[arg-type]


@pytest.mark.parametrize("corpus", list(TABLES))
def test_the_table_stands_beside_the_classes_that_it_is_of_in_any_order(corpus: str) -> None:
    [found] = section(corpus, list(CLASSES[corpus])[::-1])
    assert [row[0] for row in found.tables[0].rows] == [*(p.method for p in TABLES[corpus]), "this model"]


@pytest.mark.parametrize(
    ("corpus", "classes", "figures"),
    [("MELD", SENTIMENTS, "of 7 classes"), ("IEMOCAP", FOUR, "of 8 classes")],
)
def test_other_classes_have_the_reason_in_its_place(corpus: str, classes: list[str], figures: str) -> None:
    [found] = section(corpus, classes)
    assert not found.tables and figures in found.intro
    assert f"this model's of {len(classes)} ({', '.join(classes)})" in found.intro


def test_another_corpus_has_no_such_section() -> None:
    assert section("toy", SENTIMENTS) == []
