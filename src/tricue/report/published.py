"""The comparison table of the paper's README, "Performance Comparison"; with each figure its protocol where known.

A figure stands beside a model of the same classes alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tricue.evaluation.metrics_table import percent
from tricue.figures.page_parts import Section, Table

TITLE = "Published figures"
LEAKY = "rows oversampled before a random split: copies in train and test; comparable with nothing"
SEED = "the seed's own"
UNKNOWN = "as the seed quotes it; protocol not checked by us"


# what figures tell apart: a score among fewer classes is higher for that alone
SEVEN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SIX = ("angry", "excited", "frustrated", "happy", "neutral", "sad")  # of IEMOCAP, in the rivals' own code
EIGHT = (*SIX, "fear", "surprised")  # of IEMOCAP, in the seed's tables


@dataclass(frozen=True)
class Published:
    method: str
    accuracy: float  # in %
    weighted_f1: float  # in %
    protocol: str
    classes: Sequence[str]


TABLES: Mapping[str, Sequence[Published]] = {
    "MELD": (
        Published("MMGCN", 60.42, 58.65, UNKNOWN, SEVEN),
        Published("DER-GCN", 66.80, 66.10, UNKNOWN, SEVEN),
        Published("ELR-GNN", 68.70, 69.90, UNKNOWN, SEVEN),
        Published("AMuSE", 73.28, 71.32, UNKNOWN, SEVEN),
        Published(SEED, 94.99, 94.87, LEAKY, SEVEN),
    ),
    "IEMOCAP": (
        Published("MMGCN", 67.40, 66.22, UNKNOWN, SIX),
        Published("DER-GCN", 69.70, 69.40, UNKNOWN, SIX),
        Published("ELR-GNN", 70.60, 70.90, UNKNOWN, SIX),
        Published("AMuSE", 74.49, 73.91, UNKNOWN, SIX),
        Published(SEED, 87.11, 86.68, LEAKY, EIGHT),
    ),
}


def published_section(metrics: Mapping[str, Any]) -> list[Section]:
    """The figures beside a model's own, and why others do not stand there; nothing on a corpus without any, and of a
    model that has not both numbers."""
    known = TABLES.get(str(metrics["corpus"]), ())
    if not known or not {"accuracy", "weighted_f1"} <= metrics.keys():
        return []
    shown = [p for p in known if set(p.classes) == set(metrics["per_class"])]
    left_out = _left_out([p for p in known if p not in shown], list(metrics["per_class"]))
    if not shown:
        return [Section(TITLE, left_out)]
    own = f"{metrics['split_role']}; protocol {metrics['protocol']}; modalities {'+'.join(metrics['modalities'])}"
    rows = [[p.method, f"{p.accuracy:.2f}", f"{p.weighted_f1:.2f}", p.protocol] for p in shown]
    rows.append(["this model", percent(metrics["accuracy"]), percent(metrics["weighted_f1"]), own])
    headings = ["Method", "Accuracy", "Weighted F1", "Measured on"]
    table = Table(headings, rows, strong=len(rows) - 1, prose=True)
    intro = "The seed's own comparison. Figures measured on different rows say nothing of the methods."
    return [Section(TITLE, f"{intro} {left_out}".rstrip(), [table])]


def _left_out(others: Sequence[Published], own: Sequence[str]) -> str:
    """Which figures are of other classes than the model's `own`, and of which."""
    if not others:
        return ""
    by_classes: dict[Sequence[str], list[str]] = {}
    for p in others:
        by_classes.setdefault(p.classes, []).append(p.method)
    each = by_classes.items()
    told = [f"{', '.join(methods)}, of {len(c)} classes ({', '.join(c)})" for c, methods in each]
    return f"Left out: {'; '.join(told)}; this model's are {len(own)} ({', '.join(own)}), which is not the same task."
