"""Settings of earlier formats, brought to this version's, one step per format.

A file names its format (`format: 3`); one that names none is of format 1. A step changes only names that the next
format does not have, so it leaves settings of the next format as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tricue.types import InvalidFileError, shown

FORMAT = 3  # of the settings in YAML files, checkpoints and run directories
NETWORK_FORMAT = 3  # the first of checkpoints and run directories whose network this version builds

Settings = dict[str, Any]


class Change(NamedTuple):
    """One setting that a step renamed, dropped or refuses."""

    old: str
    new: str | None  # None: no setting any more
    message: str
    refused: bool = False


Step = Callable[[Mapping[str, Any]], tuple[Settings, list[Change]]]


class Constant(NamedTuple):
    """What holds in place of a former setting: its default, and the name of the constant, if it has one."""

    value: float
    home: str = ""


@dataclass(frozen=True)
class RenameAndFix:
    """A step: settings with another name, settings that became constants, and settings that are gone."""

    renamed: Mapping[str, str]
    fixed: Mapping[str, Constant]
    gone: Mapping[str, str] = field(default_factory=dict)  # and what there is in their place

    def __call__(self, settings: Mapping[str, Any]) -> tuple[Settings, list[Change]]:
        tree = copied(settings)
        changes = []
        for old, new in self.renamed.items():
            section, leaf = _section_of(tree, old)
            if leaf not in section:
                continue
            value = section.pop(leaf)
            target, name = _section_of(tree, new, make=True)
            twice = name in target
            target.setdefault(name, value)
            message = f"the old name of {new}, which is given too; keep {new}" if twice else f"now called {new}"
            changes.append(Change(old, new, message, refused=twice))
        for old, constant in self.fixed.items():
            section, leaf = _section_of(tree, old)
            if leaf in section:
                same = _is_number(section.pop(leaf), constant.value)
                home = f" ({constant.home})" if constant.home else ""
                message = f"no setting any more: {constant.value:g} always holds{home}; leave it out"
                changes.append(Change(old, None, message, refused=not same))
        for old, instead in self.gone.items():
            section, leaf = _section_of(tree, old)
            if leaf in section:
                del section[leaf]
                changes.append(Change(old, None, f"no setting any more: {instead}; leave it out"))
        return tree, changes


FALLS = "the rate falls once, over all phases, along half a cosine"
STEPS: list[Step] = [
    RenameAndFix(
        renamed={"cues": "modalities", "data.toy": "toy"},
        fixed={
            "training.warmup_start": Constant(0.1, "tricue.training.phases.WARMUP_START"),
            "training.least_rate": Constant(1e-7, "tricue.training.phases.LEAST_RATE"),
            "training.alignment_step": Constant(0.02, "tricue.training.phases.ALIGNMENT_STEP"),
            "training.intention_step": Constant(0.01, "tricue.training.phases.INTENTION_STEP"),
            "model.cross_heads": Constant(1),
            "training.alignment_queue": Constant(0),
        },
    ),
    RenameAndFix(
        renamed={},
        fixed={},
        gone={
            "model.linear_path": "the statistics of the features enter the fusion (model.statistics)",
            "model.frontend_residual": "every attention adds to what it reads",
            "model.frontend_heads": "frontends have no attention",
            "training.plateau_factor": FALLS,
            "training.plateau_patience": FALLS,
            "training.cosine_epochs": FALLS,
            "training.cosine_growth": FALLS,
            "training.onecycle_rise": FALLS,
            "training.onecycle_start": FALLS,
            "training.onecycle_end": FALLS,
            "training.patience": "the rate falls over the epochs of all phases, so none ends early",
            "evaluation.draws": "intervals leave out each group in turn and draw nothing",
        },
    ),
]


def format_of(content: Mapping[str, Any], origin: str, what: str) -> int:
    """The format that a file names; 1 where it names none.

    Args:
        content: Content of the file.
        origin: Path of the file, for the error.
        what: Kind of content in words, for the error.

    Raises:
        InvalidFileError: It is no format, or that of a later version.
    """
    given = content.get("format", 1)
    if type(given) is not int or given < 1:
        raise InvalidFileError(
            f"{origin}: format {shown(given)} of {what}; expected a whole number from 1 to {FORMAT}."
        )
    if given > FORMAT:
        raise InvalidFileError(
            f"{origin}: format {given:d} of {what}; this version of tricue reads formats up to {FORMAT}. Install the "
            "version that wrote it: pip install --upgrade tricue."
        )
    return given


def migrate(settings: Mapping[str, Any], written: int) -> tuple[Settings, list[Change]]:
    """Settings of the format `written` as this version names them, and what was changed.

    Refused changes: the caller decides which error names them.
    """
    tree = copied(settings)
    changes: list[Change] = []
    for step in STEPS[written - 1 :]:
        tree, own = step(tree)
        changes += own
    return tree, changes


def copied(tree: Mapping[str, Any]) -> Settings:
    """A copy down to the values: its sections can be changed."""
    return {name: copied(value) if isinstance(value, Mapping) else value for name, value in tree.items()}


def _section_of(tree: Settings, dotted: str, make: bool = False) -> tuple[Settings, str]:
    """The section of a setting and the setting's name in it; an empty section where there is none."""
    *parents, leaf = dotted.split(".")
    for name in parents:
        below = tree.setdefault(name, {}) if make else tree.get(name)
        if not isinstance(below, dict):
            return {}, leaf
        tree = below
    return tree, leaf


def _is_number(given: Any, value: float) -> bool:
    """Whether a setting is this number, as a number or as YAML reads `1e-7`: a string."""
    try:
        return not isinstance(given, bool) and float(given) == value
    except (TypeError, ValueError, OverflowError):
        return False
