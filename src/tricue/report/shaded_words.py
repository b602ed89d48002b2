"""A text whose words are shaded by what each adds, its points under it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from tricue.explain.explanation import Step
from tricue.explain.unit import Unit
from tricue.figures.canvas import plain, style

FOR, AGAINST = "#77AADD", "#EE8866"  # Paul Tol's "light" scheme; beside them the sign, never colour alone
LINE = 0.44  # inches from one line of words to the next
_WIDTH = 6.2  # inches of a line; a panel of a figure 8 inches wide has at least as many
_WORD, _NUMBER = 10, 8  # points of type
_LONGEST = 40  # characters of a word that are shown
_TOLD = 0.005  # of the value's span: words from this weight on have it written under them


@dataclass(frozen=True)
class Word:
    """A word in its place, in inches from the line's beginning."""

    text: str
    weight: float
    left: float
    width: float


def in_lines(steps: Sequence[Step], unit: Unit) -> list[list[Word]]:
    """Words with their weights, in lines as a panel is wide."""
    lines: list[list[Word]] = [[]]
    left = 0.0
    with style():
        for step in steps:
            text = plain(step.moment.label)
            text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
            width = max(_inches(text, _WORD), _inches(points(step.weight, unit), _NUMBER)) + 0.1
            if left + width > _WIDTH and lines[-1]:
                lines.append([])
                left = 0.0
            lines[-1].append(Word(text, step.weight, left, width))
            left += width + 0.06
    return lines


def draw_words(ax: Any, lines: Sequence[Sequence[Word]], unit: Unit) -> None:
    """`in_lines`, the weightiest word with the fullest shade."""
    most = max((abs(word.weight) for line in lines for word in line), default=0.0) or 1.0
    for row, line in enumerate(lines):
        for word in line:
            shade = FOR if word.weight >= 0 else AGAINST
            place, strength = (word.left, row + 0.06), abs(word.weight) / most
            ax.add_patch(Rectangle(place, word.width, 0.5, color=shade, linewidth=0, alpha=strength))
            middle, centred = word.left + word.width / 2, {"ha": "center", "va": "center_baseline"}
            ax.text(middle, row + 0.31, word.text, fontsize=_WORD, **centred)
            if abs(word.weight) >= _TOLD * unit.span:
                ax.text(middle, row + 0.74, points(word.weight, unit), fontsize=_NUMBER, **centred)
    ax.set(xlim=(0, _WIDTH), ylim=(len(lines), 0))
    ax.set_axis_off()


def points(weight: float, unit: Unit) -> str:
    """A weight as figures write it, with its sign."""
    return unit.difference(weight).replace("-", "−")


def _inches(text: str, size: float) -> float:
    """Width of a text in the figures' typeface."""
    return TextToPath().get_text_width_height_descent(text, FontProperties(size=size), False)[0] / 72
