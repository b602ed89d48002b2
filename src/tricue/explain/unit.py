"""How the value that an explanation takes apart is written: in percent and points, or in the unit of a target."""

import math
from dataclasses import dataclass

from tricue.tasks.task import Task


@dataclass(frozen=True)
class Unit:
    """factor: from a value to the number that is written. digits: behind its point. span: from the lowest value to the
    highest."""

    factor: float = 100.0
    digits: int = 1
    span: float = 1.0
    sign: str = "%"
    points: str = " points"  # behind a difference
    name: str = "points"  # of differences
    noun: str = "probability"
    key: str = "probability"  # in JSON

    @classmethod
    def of(cls, task: Task, name: str) -> "Unit":
        """Of the value `name` of a task's answers."""
        if task.kind != "values":
            return cls()
        low, high = task.range_of(name)
        span = high - low if math.isfinite(high - low) else 1.0
        digits = max(0, 3 - math.floor(math.log10(span)))  # a thousandth of it, as a tenth of a point is
        return cls(1.0, digits, span, "", "", f"the unit of {name}", name, "value")

    def value(self, value: float) -> str:
        return f"{self.factor * value:.{self.digits}f}{self.sign}"

    def difference(self, value: float) -> str:
        return f"{self.factor * value:+.{self.digits}f}"
