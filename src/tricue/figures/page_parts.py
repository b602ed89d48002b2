"""What a page is made of: sections of tables and pictures; and the answers that a task draws pictures of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tricue.figures.canvas import Drawn

COLUMNS = 3  # pictures in a row of the page


@dataclass(frozen=True)
class Answers:
    """What one model answered to the scored rows, N of them: a phase of a run, or a seed with all its folds."""

    title: str  # "Phase 1"
    key: str  # in the names of files
    colour: str
    names: Sequence[str]  # of the classes or targets
    targets: np.ndarray  # (N, ...) as the task encodes them
    values: np.ndarray  # (N, ...) as `Task.answers` gives them; the prior where a row was not answered
    answered: np.ndarray  # (N,) bool: whether the row has a usable modality
    is_shown: bool = True  # the model that the page is of, not one beside it
    calibration: Mapping[str, Any] = field(default_factory=dict)  # of the model, and `calibration` of metrics.json

    @property
    def left_out(self) -> str:
        """What a caption says of rows without an answer."""
        count = int((~self.answered).sum())
        if not count:
            return ""
        rows = "row has" if count == 1 else "rows have"
        return f"{count} of {len(self.answered)} {rows} no usable modality, and so no answer: left out."


@dataclass(frozen=True)
class Colouring:
    """How the rows of a map are coloured: by class numbers, or by values where there are no classes."""

    name: str  # of the value; of classes what they are
    values: np.ndarray  # (N,)
    classes: Sequence[str] = ()


@dataclass(frozen=True)
class Link:
    """A cell that leads to a page beside this one."""

    text: str
    href: str  # from this page


@dataclass(frozen=True)
class Table:
    """A table of text and links; the first column names the row. `strong`: the row that is the model's own.

    prose: the last column holds words, not numbers.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str | Link]]
    caption: str = ""
    strong: int | None = None
    prose: bool = False


@dataclass(frozen=True)
class Group:
    """Pictures that belong side by side (on a narrow screen one under another), `columns` of them in a row.

    wide: they have much in a row; on a narrow screen they keep their size and are scrolled.
    """

    pictures: Sequence[Drawn]
    title: str = ""
    caption: str = ""
    columns: int = COLUMNS
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own."""

    title: str
    intro: str = ""
    tables: Sequence[Table] = ()
    groups: Sequence[Group] = ()
    folded: Sequence[Group] = ()  # behind "show more": many pictures of one kind

    @property
    def anchor(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")

    @property
    def pictures(self) -> list[Drawn]:
        return [drawn for group in (*self.groups, *self.folded) for drawn in group.pictures]


def side_by_side(title: str, intro: str, pictures: Sequence[Drawn]) -> Section:
    """The first row of pictures to be seen, the others folded."""
    rows = [Group(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    return Section(title, intro, groups=rows[:1], folded=rows[1:])
