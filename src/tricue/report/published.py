"""The seed's comparison table (seed.md, "Performance Comparison"), with the protocol behind each figure where known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tricue.evaluation.table import percent
from tricue.report.page import Section, Table
from tricue.report.readings import Reading

TITLE = "Published figures"
LEAKY = "rows oversampled before a random split: copies in train and test; comparable with nothing"
UNKNOWN = "as the seed quotes it; protocol not checked by us"


@dataclass(frozen=True)
class Published:
    method: str
    accuracy: float  # in %
    weighted_f1: float  # in %
    protocol: str


TABLES: Mapping[str, Sequence[Published]] = {
    "MELD": (
        Published("MMGCN", 60.42, 58.65, UNKNOWN),
        Published("DER-GCN", 66.80, 66.10, UNKNOWN),
        Published("ELR-GNN", 68.70, 69.90, UNKNOWN),
        Published("AMuSE", 73.28, 71.32, UNKNOWN),
        Published("the seed's own", 94.99, 94.87, LEAKY),
    ),
    "IEMOCAP": (
        Published("MMGCN", 67.40, 66.22, UNKNOWN),
        Published("DER-GCN", 69.70, 69.40, UNKNOWN),
        Published("ELR-GNN", 70.60, 70.90, UNKNOWN),
        Published("AMuSE", 74.49, 73.91, UNKNOWN),
        Published("the seed's own", 87.11, 86.68, LEAKY),
    ),
}


# what the seed's figures tell apart: a score among fewer classes is higher for that alone
CLASSES: Mapping[str, Sequence[str]] = {
    "MELD": ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"),
    "IEMOCAP": ("angry", "excited", "fear", "frustrated", "happy", "neutral", "sad", "surprised"),
}


def comparison(metrics: Mapping[str, Any]) -> Sequence[Published]:
    """What the seed compares itself with on this corpus and these classes; nothing on others."""
    corpus = str(metrics["corpus"])
    return TABLES[corpus] if set(metrics["per_class"]) == set(CLASSES.get(corpus, ())) else ()


def published_section(shown: Reading) -> list[Section]:
    """The figures beside the model's own, or why they do not stand there; nothing on a corpus without any."""
    m = shown.evaluation.metrics
    corpus, others = str(m["corpus"]), comparison(m)
    if corpus not in TABLES:
        return []
    if not others:
        figures, model = ", ".join(CLASSES[corpus]), ", ".join(m["per_class"])
        return [
            Section(
                TITLE,
                f"Left out: the seed's figures for {corpus} are of {len(CLASSES[corpus])} classes ({figures}), this "
                f"model's of {len(m['per_class'])} ({model}): they are not of the same task.",
            )
        ]
    own = f"{m['split_role']}; protocol {m['protocol']}; cues {'+'.join(m['modalities'])}"
    rows = [[p.method, f"{p.accuracy:.2f}", f"{p.weighted_f1:.2f}", p.protocol] for p in others]
    rows.append(["this model", percent(m["accuracy"]), percent(m["weighted_f1"]), own])
    headings = ["Method", "Accuracy", "Weighted F1", "Measured on"]
    table = Table(headings, rows, strong=len(rows) - 1, prose=True)
    intro = "The seed's own comparison. Figures measured on different rows say nothing of the methods."
    return [Section(TITLE, intro, [table])]
