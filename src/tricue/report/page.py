"""One self-contained HTML page: sections of figures and tables, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tricue.files import replaced_file
from tricue.report.figure import Drawn


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
    columns: int = 3
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own."""

    title: str
    intro: str = ""
    tables: Sequence[Table] = ()
    groups: Sequence[Group] = ()
    folded: Sequence[Group] = field(default=())  # behind "show more": many pictures of one kind

    @property
    def anchor(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")


def write_page(
    path: Path, title: str, mark: str | None, facts: Sequence[tuple[str, str]], sections: Sequence[Section]
) -> None:
    """The page at `path`, in one step. mark: stands over everything where the numbers are not to be taken at their
    word (toy, LEAKY). facts: what a reader must know beside the numbers, as (name, value)."""
    environment = Environment(
        loader=PackageLoader("tricue.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    text = environment.get_template("page.html").render(
        title=title, mark=mark, facts=facts, sections=sections
    )
    with replaced_file(path) as part:
        part.write_text(text, encoding="utf-8")
