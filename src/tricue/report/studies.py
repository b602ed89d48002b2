"""What `tricue robustness` and `tricue ablate` have left beside a page, which may be of other rows or models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricue.evaluation import ablation, robustness
from tricue.json_files import read_json
from tricue.report.ablation import draw_ablation
from tricue.report.figure import Drawn
from tricue.report.robustness import draw_robustness
from tricue.types import InvalidFileError

_ROWS = ("corpus", "split", "n")
_SHARED = {"mark", "protocol", "interval", *_ROWS}


@dataclass(frozen=True)
class Kind:
    """A study, the file of its result, what a page needs of it, and its figure."""

    title: str
    file: str
    command: str
    needs: frozenset[str]
    draw: Callable[[Mapping[str, Any]], Drawn]

    @property
    def remedy(self) -> str:
        return f"Make it again with `{self.command}`, or move it away: the report can be made without it."


KINDS = (
    Kind("Robustness", robustness.RESULT, "tricue robustness", frozenset({"models", "kinds", *_SHARED}),
         draw_robustness),
    Kind("Ablation", ablation.RESULT, "tricue ablate", frozenset({"notes", "seeds", "epochs", "variants", *_SHARED}),
         draw_ablation),
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    kind: Kind
    content: Mapping[str, Any]

    def drawn(self, metrics: Mapping[str, Any]) -> Drawn:
        """Its figure. metrics: of the page's model; a study of another one, or of other rows, is named in its place, as
        its numbers would be taken for this model's."""
        try:
            other = self._other(metrics)
            if other is None:
                return self.kind.draw(self.content)
        except (LookupError, TypeError, ValueError, AttributeError) as error:  # what is drawn lies deep in it
            raise InvalidFileError(
                f"{self.kind.file} beside this page is damaged ({error!r}). {self.kind.remedy}"
            ) from error
        name = self.kind.file.removesuffix(".json")
        reason = (
            f"{self.kind.file} beside this page is {other}. Give this page or that study an --out of its own"
        )
        return Drawn(name, self.kind.title, "", why_not=reason)

    def _other(self, metrics: Mapping[str, Any]) -> str | None:
        """What the study is of, where that is not what `metrics` are of."""
        if any(self.content[key] != metrics[key] for key in _ROWS):
            return f"of other rows: {_rows(self.content)}, and this page is of {_rows(metrics)}"
        measured = [about.get("weights_sha256") for about in self.content.get("models", {}).values()]
        own = metrics["model"]["weights_sha256"]
        if None in (own, *measured) or not measured or own in measured:
            return None
        return f"of another model: of weights {measured[-1][:12]}, and this page is of {own[:12]}"


def read_studies(out: Path) -> list[Study]:
    """Those that lie in `out`. Raises InputError for a file that is none, so a page asks before its work."""
    return [Study(kind, _read(out / kind.file, kind)) for kind in KINDS if (out / kind.file).is_file()]


def _read(path: Path, kind: Kind) -> dict[str, Any]:
    content: Any = read_json(path, f"what `{kind.command}` writes", kind.remedy, expected=object)
    lacking = sorted(kind.needs - content.keys()) if isinstance(content, dict) else sorted(kind.needs)
    if lacking:
        raise InvalidFileError(
            f"{path} is not what `{kind.command}` writes: it has no {', '.join(lacking)}. {kind.remedy}"
        )
    return content


def _rows(about: Mapping[str, Any]) -> str:
    return f"{about['corpus']} {about['split']}, n = {about['n']}"
