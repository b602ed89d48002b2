"""One self-contained HTML page: sections of figures and tables, nothing fetched from anywhere."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tricue.figures.page_parts import Section
from tricue.files.atomic import replaced_file


def write_page(
    path: Path, title: str, mark: str | None, facts: Sequence[tuple[str, str]], sections: Sequence[Section]
) -> None:
    """The page at `path`, in one step. mark: stands over everything where the numbers are not to be taken at their
    word (toy, LEAKY). facts: what a reader must know beside the numbers, as (name, value)."""
    environment = Environment(
        loader=PackageLoader("tricue.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("page.html")
    with replaced_file(path) as part:
        part.write_text(page.render(title=title, mark=mark, facts=facts, sections=sections), encoding="utf-8")
