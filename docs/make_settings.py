"""Writes docs/settings.md from the models in src/tricue/config/: `python docs/make_settings.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from tricue.config.migrations import FORMAT, NETWORK_FORMAT, STEPS, RenameAndFix, Step
from tricue.config.section import Section
from tricue.config.settings import Config
from tricue.toy.toy_settings import ToyConfig

INTRODUCTION = """# Settings

Made from the models in `src/tricue/config/` by `python docs/make_settings.py`; change it there, then run the script.

Each name works on the command line, `--set training.rate=1e-3`, and as nested keys of a YAML file given with
`--config`. The shipped files in `src/tricue/configs/` state only what differs from the defaults below.
An unknown name or a value that does not fit is an error. Values are read as YAML: words that YAML would read
as something else stand in quotes here and need them, `--set 'training.mixed_precision="no"'`. "Words" are the
fixed words that a setting takes."""

FORMATS = f"""## Formats

A YAML file states its format on a line of its own, `format: {FORMAT}`; one that states none is of format 1 (tricue
0.1). Settings of an earlier format are read with one warning that gives the new name; so are old names in `--set`. A
checkpoint or a run directory of a network before format {NETWORK_FORMAT} is refused, with the command that trains it
again from its settings. A later format is an error. Two runs are the same run if all settings that decide a result are
equal; `audit.*`, `training.save_minutes`, `training.tensorboard`, `evaluation.batch_size` and the features of unused
modalities decide none."""


def changes(number: int, step: Step) -> str:
    """A table of what a step renames, of what became a constant and of what is gone."""
    assert isinstance(step, RenameAndFix)
    rows = [f"| `{old}` | `{new}` |" for old, new in step.renamed.items()]
    rows += [
        f"| `{old}` | always {constant.value:g}{constant.home and f' (`{constant.home}`)'}; another value is an error |"
        for old, constant in step.fixed.items()
    ]
    rows += [f"| `{old}` | gone: {instead} |" for old, instead in step.gone.items()]
    return "\n".join([f"| format {number} | format {number + 1} |", "|---|---|", *rows])


def sections(model: type[Section], prefix: str = "", about: str | None = None) -> list[str]:
    """A table of the model's own settings, then those of the models inside it."""
    rows: list[str] = []
    inside: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            inside += sections(field.annotation, f"{prefix}{name}.", field.description)
        else:
            rows.append(row(prefix + name, field))
    title, about = prefix[:-1] or "general", " ".join((model.__doc__ or about or "").split())
    table = "\n".join([f"## {title}\n\n{about}\n", "| name | default | meaning |", "|---|---|---|", *rows])
    return [table, *inside] if rows else inside


def row(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    kinds = (field.annotation, *get_args(field.annotation))
    words = [value(word) for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    return f"| `{name}` | {value(field.default)} | {meaning}{' Words: ' + ', '.join(words) + '.' if words else ''} |"


def value(default: Any) -> str:
    plain = isinstance(default, str) and yaml.safe_load(default) == default
    return f"`{default if plain else json.dumps(default)}`"


def page() -> str:
    tables = [*sections(Config), *sections(ToyConfig, "toy.")]
    return "\n\n".join([INTRODUCTION, *tables, FORMATS, *map(changes, range(1, FORMAT), STEPS)]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(page(), encoding="utf-8")
