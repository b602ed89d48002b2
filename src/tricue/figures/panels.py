"""Small pictures of one kind, a panel per class or target, on sheets of at most a dozen."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from tricue.figures.canvas import DASHES, Drawn, canvas, short
from tricue.figures.page_parts import Answers, Group, Section, side_by_side

PANELS, ACROSS = 12, 4
BRIEF = 16  # characters of a name over a panel
Panel = Callable[[Any, int], tuple[str, Any]]  # draws panel k on its axes; what it shows in words, numbers behind it


def draw_panels(
    name: str,
    title: str,
    names: Sequence[str],
    draw: Panel,
    *,
    across: str,
    up: str,
    caption: str = "",
    many_points: bool = False,
) -> list[Drawn]:
    """A sheet for each dozen of `names`. across, up: what the axes show."""
    sheets = []
    for start in range(0, len(names), PANELS):
        part = range(start, min(start + PANELS, len(names)))
        columns = min(len(part), ACROSS)
        rows = math.ceil(len(part) / columns)
        width, height = (8.0, 0.5 + 7.6 / columns * rows) if len(names) > 1 else (4.2, 4.2)
        told, data = [], {}
        with canvas(width, height, rows, columns) as (figure, axes):
            for ax, k in zip(axes.flat, part, strict=False):
                words, data[names[k]] = draw(ax, k)
                told.append(f"{names[k]} {words}")
            for ax in axes.flat[len(part) :]:
                ax.set_visible(False)
            figure.supxlabel(across, fontsize=10)
            figure.supylabel(up, fontsize=10)
            handles, labels = axes[0, 0].get_legend_handles_labels()
            if len(labels) > 1:
                figure.legend(handles, labels, loc="outside upper center", ncols=3)
        number = start // PANELS
        of = f"{name}-{number + 1}" if number else name
        sheets.append(Drawn(of, title, caption, f"{title}: {'; '.join(told)}.", figure, data, many_points))
    return sheets


def line_of(answers: Sequence[Answers], i: int) -> dict[str, Any]:
    """How the line of one of several models is drawn: thick and solid that of the model which the page is of."""
    own = answers[i]
    dashes, width = (DASHES[0], 1.8) if own.is_shown else (DASHES[1:][i % 3], 1.1)
    return {"color": own.colour, "linestyle": dashes, "linewidth": width, "label": own.title}


def head(ax: Any, name: str, told: str) -> None:
    """The heading of a panel: whose it is, and a number."""
    ax.set_title(f"{short(name, BRIEF)}\n{told}", fontsize=10)


def panel_section(title: str, intro: str, seen: Sequence[Drawn], folded: Sequence[Drawn] = ()) -> Section:
    """The first sheet to be seen, the others folded; a single panel takes no more than a third of the page."""
    drawn = [*seen, *folded]
    figure = drawn[0].figure
    if figure is not None and figure.get_figwidth() < 5:
        return side_by_side(title, intro, drawn)
    rows = [Group([own], own.title, columns=1, wide=True) for own in drawn]
    return Section(title, intro, groups=rows[:1], folded=rows[1:])
