"""Features that have seen their labels: on groups of the training part that a linear model has not met it is far better
than on rows that are not of the training part."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from tricue.baseline.group_score import GroupScore, difference
from tricue.tasks.task import Task

MARGIN = (
    0.1  # lower bounds on published vectors of CMU-MOSI: 0.19 (text) and 0.35; on eight clean corpora: at most 0.03
)
MEANING = (
    "Vectors that were made with the labels of the training part look so, and so does a scored part of another kind. "
    "Ask how the features were made; extract them from the clips (docs/protocols.md)."
)


@dataclass(frozen=True)
class LabelProbe:
    """The headline number of one linear model on two parts."""

    left_out: GroupScore  # groups of the training rows, each left out in turn
    scored: GroupScore  # rows outside the training part

    @property
    def difference(self) -> dict[str, float]:
        return difference(self.left_out, self.scored)

    @property
    def is_suspect(self) -> bool:
        return self.difference["low"] > MARGIN

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(GroupScore(**content["left_out"]), GroupScore(**content["scored"]))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"difference": self.difference, "margin": MARGIN, "suspect": self.is_suspect}


def probe_words(probe: LabelProbe, task: Task | type[Task], part: str) -> str:
    """Both numbers and their difference. part: the scored one."""
    scale, digits = task.scale(), 1 if task.is_share else 3
    left_out, scored = probe.left_out, probe.scored
    value, low, high = (f"{scale * number:.{digits}f}" for number in probe.difference.values())
    return (
        f"{task.selected_words} of a linear model is {scale * left_out.value:.{digits}f} on left-out training "
        f"{left_out.unit}s and {scale * scored.value:.{digits}f} on {part}: {value} [{low}, {high}] more"
    )
