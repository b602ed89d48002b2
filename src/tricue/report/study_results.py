"""What `tricue robustness` and `tricue ablate` have left beside a page, which may be of other rows or models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricue.figures.canvas import Drawn
from tricue.figures.page_parts import Group, Section
from tricue.files.json_files import read_json
from tricue.studies import ablation, robustness
from tricue.studies.ablation_figure import draw_ablation
from tricue.studies.robustness_figure import draw_robustness
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
            fault = f"{self.kind.file} beside this page is damaged ({error!r})"
            raise InvalidFileError(f"{fault}. {self.kind.remedy}") from error
        fault = f"{self.kind.file} beside this page is {other}"
        reason = f"{fault}. Give this page or that study an --out of its own"
        return Drawn(self.kind.file.removesuffix(".json"), self.kind.title, "", why_not=reason)

    def _other(self, metrics: Mapping[str, Any]) -> str | None:
        """What the study is of, where that is not what `metrics` are of."""
        if any(self.content[key] != metrics[key] for key in _ROWS):
            there, here = (f"{m['corpus']} {m['split']}, n = {m['n']}" for m in (self.content, metrics))
            return f"of other rows: {there}, and this page is of {here}"
        measured = [about.get("weights_sha256") for about in self.content.get("models", {}).values()]
        own = metrics["model"]["weights_sha256"]
        if None in (own, *measured) or not measured or own in measured:
            return None
        return f"of another model: of weights {measured[-1][:12]}, and this page is of {own[:12]}"


def study_sections(studies: Sequence[Study], metrics: Mapping[str, Any]) -> list[Section]:
    """What `tricue robustness` and `tricue ablate` have left beside the page; what is not of these rows and this model
    is not drawn. metrics: of the page's model."""
    drawn = {study.kind.title: study.drawn(metrics) for study in studies}
    return [Section(title, groups=[Group([d], columns=1, wide=True)]) for title, d in drawn.items()]


def read_studies(out: Path) -> list[Study]:
    """Those that lie in `out`. Raises InputError for a file that is none, so a page asks before its work."""
    return [Study(kind, _read(out / kind.file, kind)) for kind in KINDS if (out / kind.file).is_file()]


def _read(path: Path, kind: Kind) -> dict[str, Any]:
    content: Any = read_json(path, f"what `{kind.command}` writes", kind.remedy, expected=object)
    lacking = sorted(kind.needs - content.keys()) if isinstance(content, dict) else sorted(kind.needs)
    if lacking:
        fault = f"it has no {', '.join(lacking)}"
        raise InvalidFileError(f"{path} is not what `{kind.command}` writes: {fault}. {kind.remedy}")
    return content
