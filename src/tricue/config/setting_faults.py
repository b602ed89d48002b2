"""What is wrong with settings, said of the place that gave them, with the nearest name where one is not known."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_origin

from pydantic import BaseModel, ValidationError

from tricue.config.section import Section
from tricue.types import shown

SHOWN_FAULTS = 30
NEAREST = 3
OTHER_NAMES = {  # what others call a setting
    "lr": "training.rate", "learning_rate": "training.rate", "learningrate": "training.rate",
    "encoder_lr": "training.encoder_rate", "bs": "training.batch_size", "batch": "training.batch_size",
    "batchsize": "training.batch_size", "epochs": "training.phase1_epochs", "num_epochs": "training.phase1_epochs",
    "epoch": "training.phase1_epochs", "wd": "training.weight_decay", "gamma": "training.focal_gamma",
    "grad_clip": "training.clip_norm", "max_grad_norm": "training.clip_norm", "warmup": "training.warmup_epochs",
    "early_stopping": "training.select", "patience": "training.select",
    "amp": "training.mixed_precision", "precision": "training.mixed_precision",
    "hidden": "model.width", "hidden_size": "model.width", "dim": "model.width", "d_model": "model.width",
    "layers": "model.bilstm_layers", "num_layers": "model.bilstm_layers", "heads": "model.bilstm_heads",
    "num_heads": "model.bilstm_heads", "freeze": "model.finetune", "classes": "data.emotions",
    "dataset": "data.name", "corpus": "data.name", "max_length": "features.text.max_tokens",
    "max_len": "features.text.max_tokens", "random_seed": "seed", "cues": "modalities", "modality": "modalities",
}  # fmt: skip

Place = Callable[[str], str]  # dotted name of a setting -> where its value came from, as a message begins


class UnknownSetting(ValueError):
    """A dotted name that no setting has; the message says which is near."""


def setting_names(model: type[Section], prefix: str = "") -> dict[str, bool]:
    """The dotted names of all settings -> whether it is a mapping, whose keys may follow."""
    names: dict[str, bool] = {}
    for name, kind in model.annotations().items():
        if isinstance(kind, type) and issubclass(kind, Section):
            names |= setting_names(kind, f"{prefix}{name}.")
        else:
            names[prefix + name] = get_origin(kind) is dict
    return names


def parts_of(dotted: str, model: type[Section]) -> list[str]:
    """The keys of a dotted name, one per level. A key of a mapping may hold dots: `data.mapping.very.happy`.

    Raises UnknownSetting for what is no setting and no section of them.
    """
    names = setting_names(model)
    leaf = next((name for name in names if dotted == name or dotted.startswith(f"{name}.")), None)
    if leaf is None:
        if any(name.startswith(f"{dotted}.") for name in names):
            return dotted.split(".")  # a whole section
        raise UnknownSetting(no_such_setting(dotted, model))
    key = dotted[len(leaf) + 1 :]
    if key and not names[leaf]:
        raise UnknownSetting(f"{leaf} is a single setting and has no parts")
    return [*leaf.split("."), *([key] if key else [])]


def given_by(name: str, overrides: Iterable[str]) -> str | None:
    """The override that gave a setting: itself, or the section or mapping that it is in."""
    return next((own for own in overrides if name == own or name.startswith(f"{own}.")), None)


def no_such_setting(dotted: str, model: type[Section]) -> str:
    near = nearest_settings(dotted, list(setting_names(model)))
    rest = "docs/settings.md lists all but those of plugins that are not installed"
    hint = f"nearest: {', '.join(near)}" if near else rest
    return f"no such setting; {hint}"


def nearest_settings(dotted: str, names: Sequence[str]) -> list[str]:
    """Settings that were probably meant: by another name of theirs, by their last part, by their letters."""
    given = dotted[:200].strip().lower().replace("-", "_")
    last = given.rpartition(".")[2]
    if last in OTHER_NAMES:
        return [OTHER_NAMES[last]]
    if same := [name for name in names if name.rpartition(".")[2] == last]:
        return same[:NEAREST]
    by_last = {name.rpartition(".")[2]: name for name in reversed(names)}
    near = [by_last[word] for word in difflib.get_close_matches(last, by_last, NEAREST, 0.7)]
    return list(dict.fromkeys([*difflib.get_close_matches(given, names, NEAREST, 0.75), *near]))[:NEAREST]


def describe(
    error: ValidationError, model: type[Section], overrides: Iterable[str], place: Place
) -> list[tuple[str, str]]:
    """(dotted name, what is said of it) per wrong setting, in the order of the settings."""
    names = setting_names(model)
    found: dict[tuple[str, str], list[str]] = {}
    for fault in error.errors():
        name = _name(fault["loc"], names)
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = no_such_setting(name, model)
        elif fault["type"] == "model_type":
            message = "a section of settings, not one value"
        elif name not in names:  # of a whole section: a rule between its settings
            name = next((own for own in overrides if own.rpartition(".")[2] in message), name)
        given = "" if isinstance(fault["input"], Mapping | BaseModel) else shown(fault["input"])
        found.setdefault((name, given), []).append(message[:1].lower() + message[1:])
    return [
        (name, f"{place(name)}{'=' if name and given else ''}{given}: {' or '.join(dict.fromkeys(messages))[:600]}")
        for (name, given), messages in found.items()
    ]


def _name(loc: Sequence[str | int], names: Mapping[str, bool]) -> str:
    """The setting that a place inside the tree belongs to: pydantic adds the branch of a union."""
    dotted = ""
    for part in loc:
        dotted = f"{dotted}.{part}" if dotted else str(part)
        if dotted in names:
            break
    return dotted
