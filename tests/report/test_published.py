"""The seed's comparison table: only beside scores of the same classes."""

from typing import Any

import pytest

from tricue.corpora.iemocap import LABEL_SETS
from tricue.report.published import EIGHT, SEED, SEVEN, SIX, TABLES, published_section
from tricue.report.report_page import Section

SENTIMENTS = ["negative", "neutral", "positive"]
FOUR = ["angry", "happy", "neutral", "sad"]
RIVALS = ["MMGCN", "DER-GCN", "ELR-GNN", "AMuSE"]


def section(corpus: str, classes: list[str]) -> list[Section]:
    number = {"value": 0.5, "low": None, "high": None}
    metrics: dict[str, Any] = {
        "corpus": corpus, "per_class": dict.fromkeys(classes), "split_role": "test", "protocol": "official",
        "modalities": ["text"], "accuracy": number, "weighted_f1": number,
    }  # fmt: skip
    return published_section(metrics)


@pytest.mark.parametrize(
    ("corpus", "classes", "methods"),
    [("MELD", SEVEN, [*RIVALS, SEED]), ("IEMOCAP", SIX, RIVALS), ("IEMOCAP", EIGHT, [SEED])],
)
def test_published_figures_stand_beside_the_classes_that_they_are_of_in_any_order(
    corpus: str, classes: list[str], methods: list[str]
) -> None:
    """The rivals' own code has six classes of IEMOCAP, the seed's tables eight."""
    [found] = section(corpus, list(classes)[::-1])
    assert [row[0] for row in found.tables[0].rows] == [*methods, "this model"]
    others = [p.method for p in TABLES[corpus] if p.method not in methods]
    assert all(method in found.intro for method in others) and ("Left out" in found.intro) == bool(others)


def test_the_classes_are_those_of_the_label_sets() -> None:
    assert set(LABEL_SETS["8-way"].values()) == set(EIGHT) and set(LABEL_SETS["6-way"].values()) == set(SIX)


@pytest.mark.parametrize(
    ("corpus", "classes", "figures"),
    [("MELD", SENTIMENTS, ["of 7 classes"]), ("IEMOCAP", FOUR, ["of 6 classes", "of 8 classes"])],
)
def test_other_classes_have_the_reason_in_its_place(corpus: str, classes: list[str], figures: list[str]) -> None:
    [found] = section(corpus, classes)
    assert not found.tables and all(words in found.intro for words in figures)
    assert f"this model's are {len(classes)} ({', '.join(classes)})" in found.intro


def test_another_corpus_has_no_such_section() -> None:
    assert section("toy", SENTIMENTS) == []
