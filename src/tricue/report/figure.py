"""What every figure of the report shares: colours, sizes, files, and how it is told to those who do not see it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from tricue.files import replaced_file, write_json

# Paul Tol's "muted" scheme (Technical note SRON/EPS/TN/09-002, fig. 3), told apart with any common colour blindness
_MUTED = ("#332288", "#117733", "#CC6677", "#88CCEE", "#999933", "#882255", "#44AA99", "#AA4499", "#DDCC77")
_NAMED = {  # the same emotion has the same colour in every corpus
    "anger": "#882255", "joy": "#999933", "neutral": "#7A7A7A", "sadness": "#332288", "surprise": "#CC6677",
    "fear": "#AA4499", "disgust": "#117733", "calm": "#88CCEE", "excitement": "#DDCC77", "frustration": "#44AA99",
}  # fmt: skip
CUE_COLOURS = {"text": "#332288", "audio": "#CC6677", "video": "#117733"}
PHASE_COLOURS = {1: "#7A7A7A", 2: "#44AA99", 3: "#332288"}
DASHES = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (5, 1.5, 1.5, 1.5)),
)  # beside the colours, never colour alone
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
INK, FAINT = "#222222", "#BBBBBB"

STYLE: Any = {  # matplotlib types its settings by name
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.dpi": 110,
    "svg.hashsalt": "tricue",  # the same numbers give the same file
}


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
        return self._rendered("svg", {"Date": None, "Title": self.title})

    @cached_property
    def png(self) -> bytes:
        return self._rendered("png", {"Title": self.title})

    def write(self, folder: Path) -> None:
        """name.svg, name.png and name.json in `folder`."""
        if self.figure is None:
            return
        for kind, content in (("svg", self.svg), ("png", self.png)):
            with replaced_file(folder / f"{self.name}.{kind}") as part:
                part.write_bytes(content)
        write_json(folder / f"{self.name}.json", self.data)

    def source(self) -> str:
        """The picture as a data: address for an <img>."""
        mime, content = ("image/png", self.png) if self.many_points else ("image/svg+xml", self.svg)
        return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"

    def _rendered(self, kind: str, metadata: dict[str, Any]) -> bytes:
        assert self.figure is not None
        out = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(out, format=kind, metadata=metadata)
        return out.getvalue()


@contextmanager
def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **axes: Any) -> Iterator[Any]:
    """A figure in the package's style and its axes, (rows, columns) of them: `with canvas(8, 3) as (figure, axes)`.

    width, height: inches; a page shows a figure of 8 inches at full width. axes: as `Figure.subplots` takes them.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False, **axes)


def emotion_colours(emotions: Sequence[str]) -> dict[str, str]:
    """The colour of each class: by its name where it is a usual one, else what is left of the scheme, in order."""
    left = [c for c in _MUTED if c not in {_NAMED[e] for e in emotions if e in _NAMED}] or list(_MUTED)
    others = [e for e in emotions if e not in _NAMED]
    return {e: _NAMED[e] if e in _NAMED else left[others.index(e) % len(left)] for e in emotions}
