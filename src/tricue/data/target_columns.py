"""The columns of a manifest that hold a row's target, and the column `emotion`, which holds one class."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from tricue.data.labels import Labels, nearest
from tricue.types import Label

Report = Callable[[str, str, str], None]  # column, what is wrong with its cell, remedy


class TargetColumns(ABC):
    """From cells to labels and back; `tasks` has one per task."""

    columns: tuple[str, ...]
    rivals: Mapping[str, str] = MappingProxyType({})
    """Columns of other tasks, which no table may have beside these -> how to choose theirs."""

    @abstractmethod
    def read(self, cells: Mapping[str, str], fault: Report) -> Label | None:
        """The label of a row; None: it has none, or `fault` says why it cannot be read.

        cells: by column, without blanks around; at least one of them holds something.
        """

    @abstractmethod
    def cells(self, label: Label | None) -> Mapping[str, str]:
        """The cells of a label as `read` takes them; empty ones of None."""


class EmotionColumn(TargetColumns):
    """One class per row.

    classes: the known ones (None: any). labels: reads them, by default in any spelling of `classes`.
    """

    def __init__(
        self,
        classes: Sequence[str] | None = None,
        labels: Labels | None = None,
        rivals: Mapping[str, str] | None = None,
        column: str = "emotion",
    ) -> None:
        self.classes = None if classes is None else list(classes)
        self.labels = labels or Labels(self.classes)
        self.rivals = rivals or {}
        self.columns = (column,)

    def read(self, cells: Mapping[str, str], fault: Report) -> str | None:
        (column,) = self.columns
        return read_class(cells[column], column, self.classes, self.labels, fault)

    def cells(self, label: Label | None) -> dict[str, str]:
        return {self.columns[0]: label if isinstance(label, str) else ""}


def read_class(written: str, column: str, classes: Sequence[str] | None, labels: Labels, fault: Report) -> str | None:
    """The class of a label as it is written; None: `data.mapping` leaves it out."""
    value = labels.read(written)
    if value and classes is not None and value not in classes:
        meant = nearest(value, classes)
        hint = f"{meant} is near; " if meant else ""
        remedy = f"{hint}known: {', '.join(classes)}; data.mapping gives others a class"
        fault(column, "unknown emotion", remedy)
    return value or None
