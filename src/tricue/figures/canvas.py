"""What every figure shares: colours, sizes, files, and how it is told to those who do not see it."""

import base64
import io
import logging
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

from tricue.files.atomic import replaced_file
from tricue.files.json_files import write_json

logger = logging.getLogger(__name__)

# Paul Tol's "muted" scheme (Technical note SRON/EPS/TN/09-002, fig. 3), told apart with any common colour blindness
_MUTED = ("#332288", "#117733", "#CC6677", "#88CCEE", "#999933", "#882255", "#44AA99", "#AA4499", "#DDCC77")
_NAMED = {  # the same emotion has the same colour in every corpus
    "anger": "#882255", "joy": "#999933", "neutral": "#7A7A7A", "sadness": "#332288", "surprise": "#CC6677",
    "fear": "#AA4499", "disgust": "#117733", "calm": "#88CCEE", "excitement": "#DDCC77", "frustration": "#44AA99",
}  # fmt: skip
PHASE_COLOURS = {1: "#7A7A7A", 2: "#44AA99", 3: "#332288"}
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)))  # beside the colours
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
INK, FAINT = "#222222", "#BBBBBB"
MANY_CLASSES = 12  # from more on a legend would cover the plot, and colours have come round anyway
NAME = 24  # characters of a class name or an id that are shown
_END = 8  # of them from its end, where ids differ

# For what the typeface itself cannot write: Chinese, Japanese, Korean, then the scripts of India, Thai and others.
# matplotlib complains of each family that it does not find, so only those that are there are named to it.
_OTHER_SCRIPTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Source Han Sans SC",
    "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Microsoft YaHei",
    "SimHei", "PingFang SC", "Heiti SC", "Hiragino Sans GB", "Hiragino Sans", "Yu Gothic", "IPAexGothic",
    "TakaoGothic", "Malgun Gothic", "NanumGothic", "Apple SD Gothic Neo", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari", "Nirmala UI", "Noto Sans Thai", "Leelawadee UI", "Arial Unicode MS", "Noto Emoji",
)  # fmt: skip
_INSTALLED = {font.name for font in fontManager.ttflist}
FAMILIES = ["DejaVu Sans", *(name for name in _OTHER_SCRIPTS if name in _INSTALLED)]

STYLE: Any = {  # matplotlib types its settings by name
    "font.family": FAMILIES,
    "text.parse_math": False,  # a $ in an id or a class name is a $
    "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "legend.fontsize": 9, "legend.frameon": False, "lines.linewidth": 1.6,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": "#E6E6E6", "grid.linewidth": 0.6,
    "savefig.dpi": 110,
    "svg.hashsalt": "tricue",  # the same numbers give the same file
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """One figure, or the reason why it could not be drawn."""

    name: str  # of its files
    title: str
    caption: str  # what is shown, of how many rows, how it was made
    alt: str = ""  # what it shows in words and numbers
    figure: Figure | None = None
    data: Any = None  # the numbers behind it, JSON-ready
    many_points: bool = False  # a scatter: the page holds it as pixels, the SVG lies beside
    why_not: str = ""

    @cached_property
    def svg(self) -> bytes:
        return self._rendered("svg", {"Date": None, "Title": plain(self.title)})

    @cached_property
    def png(self) -> bytes:
        return self._rendered("png", {"Title": plain(self.title)}, dpi=160 if self.many_points else None)

    def write(self, folder: Path) -> None:
        """name.svg, name.png and name.json in `folder`."""
        if self.figure is None:
            return
        for kind, content in (("svg", self.svg), ("png", self.png)):
            with replaced_file(folder / f"{self.name}.{kind}") as part:
                part.write_bytes(content)
        write_json(folder / f"{self.name}.json", self.data)
        if any(unwritable(text.get_text()) for text in self.figure.findobj(Text)):
            _note_boxes(folder)

    def source(self) -> str:
        """The picture as a data: address for an <img>."""
        mime, content = ("image/png", self.png) if self.many_points else ("image/svg+xml", self.svg)
        return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"

    def _rendered(self, kind: str, metadata: dict[str, Any], **how: Any) -> bytes:
        assert self.figure is not None
        out = io.BytesIO()
        with style():
            self.figure.savefig(out, format=kind, metadata=metadata, **how)
        return out.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """The package's style, where texts are measured, made or drawn. Missing glyphs are noted once, by `Drawn.write`."""
    fonts = logging.getLogger("matplotlib.font_manager")
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        fonts.addFilter(_not_of_weights)
        try:
            yield
        finally:
            fonts.removeFilter(_not_of_weights)


def _not_of_weights(record: logging.LogRecord) -> bool:
    """A typeface of another script often has one weight alone, and stands for the others."""
    return "font weight" not in record.getMessage()


@contextmanager
def sheet(width: float, height: float) -> Iterator[Figure]:
    """An empty figure in the package's style, to be filled within the `with`. width, height: inches; a page shows a
    figure of 8 inches at full width."""
    with style():
        yield Figure(figsize=(width, height), layout="constrained")


@contextmanager
def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **axes: Any) -> Iterator[Any]:
    """`sheet` and axes on it, (rows, columns) of them: `with canvas(8, 3) as (figure, axes)`.

    axes: as `Figure.subplots` takes them.
    """
    with sheet(width, height) as figure:
        yield figure, figure.subplots(rows, columns, squeeze=False, **axes)


def interval_bar(ax: Any, place: int, number: Mapping[str, float | None], colour: str, scale: float = 100) -> None:
    """A value as a point, its 95% interval as a line, both at the height `place`; by default in percent."""
    value, low, high = (number[key] for key in ("value", "low", "high"))
    if value is None:
        return
    if low is not None and high is not None:
        ax.plot([scale * low, scale * high], [place, place], color=colour, linewidth=2)
    ax.plot(scale * value, place, "o", color=colour, ms=7)


def named_rows(ax: Any, names: Sequence[str]) -> None:
    """A name at each height 0, 1, ..., from top to bottom, without lines."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)


def plain(text: str) -> str:
    """Without what no XML may hold, and no label can show: control characters and halves of a surrogate pair."""
    odd = {c for c in text if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff"}
    return "".join(c if c not in odd else " " if c.isspace() else "\ufffd" for c in text)


def short(text: str, most: int = NAME) -> str:
    """`plain`, and of a long name the beginning and the end: "a very long na…the end"."""
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - _END - 1]}…{text[-_END:]}"


def class_legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int, **how: Any) -> None:
    """A legend under the axes, in fewer columns where labels are long. how: as `Figure.legend` takes it."""
    count = legend_columns(labels, columns)
    legend = figure.legend(handles, [""] * len(labels), loc="outside lower center", ncols=count, **how)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)  # afterwards: what begins with _ may be left out of a legend


def legend_columns(labels: Sequence[str], most: int) -> int:
    """How many columns of these labels stand side by side under a figure of about 4 inches; at least one."""
    return max(1, min(most, 36 // max(map(len, labels))))


def unwritable(text: str) -> set[str]:
    """Characters that no typeface of the figures has here: they are drawn as empty boxes."""
    drawn = (c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Mn"))
    return {c for c in drawn if ord(c) not in _glyphs()}


@cache
def _glyphs() -> frozenset[int]:
    with style():
        fonts = [get_font(findfont(FontProperties(family=name))) for name in FAMILIES]
    return frozenset(code for font in fonts for code in font.get_charmap())


@cache
def _note_boxes(folder: Path) -> None:
    """Once for the figures of a folder, not once for each."""
    logger.warning(
        "Some characters are empty boxes in the figures: no typeface on this machine has them. The JSON files beside "
        "the figures hold the names as they are. To see them, install one that has them, e.g. Noto Sans CJK."
    )


def emotion_colours(emotions: Sequence[str]) -> dict[str, str]:
    """The colour of each class: by its name where it is a usual one, else what is left of the scheme, in order."""
    left = [c for c in _MUTED if c not in {_NAMED[e] for e in emotions if e in _NAMED}] or list(_MUTED)
    others = [e for e in emotions if e not in _NAMED]
    return {e: _NAMED[e] if e in _NAMED else left[others.index(e) % len(left)] for e in emotions}
