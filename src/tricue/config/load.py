"""From a YAML file, named flags and `--set a.b=value` to settings that are validated at once and frozen.

A file states only what differs from the defaults. An unknown name is an error, never ignored; an old name is read, with
one warning that gives the new one (config/migrations.py).
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from tricue.config.migrations import FORMAT, Change, copied, format_of, migrate
from tricue.config.section import Section
from tricue.config.setting_faults import SHOWN_FAULTS, UnknownSetting, describe, given_by, parts_of
from tricue.config.settings import Config
from tricue.config.settings_yaml import MAX_CHARACTERS, MAX_DEPTH, Document, Lines, YamlError, read_yaml
from tricue.files.atomic import is_file
from tricue.files.json_files import read_json
from tricue.types import InputError, InvalidFileError, shown

logger = logging.getLogger(__name__)

PHASE_SHARES = (15, 15, 10)  # the paper's epochs per phase; `--epochs N` is shared out in this proportion
OTHER_COMMANDS = {"toy": "tricue demo and tricue prepare toy"}  # section -> the only commands that read it

S = TypeVar("S", bound=Section)


def shipped_configs() -> dict[str, Path]:
    """Name -> file of the configs that come with the package."""
    folder = Path(str(resources.files("tricue") / "configs"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_config(
    source: str | Path | None = None, overrides: Mapping[str, Any] | None = None, flags: Collection[str] = ()
) -> Config:
    """`load_settings` of the tree of settings that all commands share."""
    return load_settings(Config, source, overrides, flags)


def load_settings(
    model: type[S],
    source: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    flags: Collection[str] = (),
) -> S:
    """The settings of a shipped config (`MELD`, any case), of a file, or the defaults; then the overrides.

    Args:
        model: Tree of settings.
        source: Name of a shipped config, a YAML file, or a checkpoint's config.json. None: the defaults.
        overrides: Dotted name to value, e.g. `{"training.rate": 1e-3}`.
        flags: Overrides that a flag of their own gave, not --set.

    Raises:
        InputError: An override is wrong, or `source` is no config; every wrong setting is named.
        InvalidFileError: The file is at fault.
    """
    if source is None:
        return build_settings(model, {}, overrides or {}, "the defaults", flags=flags)
    path = shipped_configs().get(str(source).lower(), Path(source))
    document = _read_document(path)
    settings = {} if document.value is None else document.value
    if not isinstance(settings, dict):
        raise InvalidFileError(f"{path} holds no settings: it should look like configs/meld.yaml.")
    return build_settings(model, settings, overrides or {}, str(path), lines=document.lines, flags=flags)


def _read_document(path: Path) -> Document:
    if not is_file(path):
        raise InputError(
            f"No config named {shown(str(path), 200)}. Shipped: {', '.join(shipped_configs())}; "
            "or give a YAML file or a checkpoint's config.json with --config, or your own corpus with --manifest."
        )
    if path.stat().st_size > 4 * MAX_CHARACTERS:
        raise InvalidFileError(f"{path}: {path.stat().st_size:,} bytes; a file of settings is far smaller.")
    recorded = _recorded_settings(path)
    try:
        document = read_yaml(path.read_text(encoding="utf-8") if recorded is None else recorded)
    except UnicodeDecodeError as error:
        raise InvalidFileError(f"{path} is not valid YAML in UTF-8 ({error.reason}). Save it as UTF-8.") from error
    except YamlError as error:
        place = f"{path}, line {error.line}" if error.line and recorded is None else str(path)
        raise InvalidFileError(f"{place}: {error.reason}.") from error
    return document if recorded is None else Document(document.value)  # its lines are not those of the file


def _recorded_settings(path: Path) -> str | None:
    """The settings in a checkpoint's config.json as YAML, to be read within its bounds; None where `path` is no such.

    Raises InvalidFileError where the file is damaged.
    """
    if path.suffix != ".json":
        return None
    record = read_json(path, "the description of a checkpoint", "Take another copy.")
    if not isinstance(record.get("config"), dict):
        return None
    written = {"format": record["format"]} if "format" in record else {}
    return yaml.safe_dump(record["config"] | written, sort_keys=False)


def build_config(settings: Mapping[str, Any], overrides: Mapping[str, Any], origin: str) -> Config:
    """`build_settings` of the tree of settings that all commands share."""
    return build_settings(Config, settings, overrides, origin)


def change_config(config: Config, overrides: Mapping[str, Any], origin: str, flags: Collection[str] = ()) -> Config:
    """`config` with dotted overrides, validated anew. origin, flags: where they come from, as errors name it."""
    settings = config.model_dump(mode="json") | {"format": FORMAT}
    return build_settings(Config, settings, overrides, origin, given=origin, flags=flags)


def build_settings(
    model: type[S],
    settings: Mapping[str, Any],
    overrides: Mapping[str, Any],
    origin: str,
    *,
    given: str = "--set",
    lines: Lines | None = None,
    flags: Collection[str] = (),
) -> S:
    """Validated settings from nested settings and dotted overrides.

    Args:
        model: Tree of settings.
        settings: With their `format`; of the first format where they name none.
        overrides: Dotted name to value.
        origin: Where the settings come from, as errors name it.
        given: Where the overrides come from, as errors name it.
        lines: Lines of the settings in their file.
        flags: Overrides that a flag of their own gave.

    Raises:
        InvalidFileError: One of the settings is wrong, or they are of a later format.
        InputError: Only overrides are wrong.
    """
    overridden: set[str] = set()  # old and new names
    line_of = dict(lines or {})
    notes: list[str] = []
    faults: list[tuple[str, str]] = []

    def place(name: str) -> str:
        plain = shown(name, 100, quoted=False)
        if given_by(name, overridden):
            return f"--{plain.rpartition('.')[2]}" if name in flags else f"{given} {plain}"
        line = line_of.get(tuple(name.split(".")))
        return f"{origin}{f', line {line}' if line else ''}{', ' if name else ''}{plain}"

    def tell(change: Change) -> None:
        said = f"{place(change.old)}: {change.message}"
        faults.append((change.old, said)) if change.refused else notes.append(said)

    written = format_of(settings, origin, "the settings")
    tree, changes = migrate({name: own for name, own in settings.items() if name != "format"}, written)
    if isinstance(own := tree.get("model"), dict) and is_depth(own.get("finetune")):
        own["finetune"] = {"text": own["finetune"]}
    for change in changes:
        tell(change)
        line_of |= _moved(line_of, change)
    overridden |= overrides.keys()
    for dotted, value in overrides.items():
        try:
            changes = _override(tree, dotted, value, model)
        except UnknownSetting as error:
            faults.append((dotted, f"{place(dotted)}={shown(value)}: {error}"))
            continue
        for change in changes:
            overridden |= {change.old, change.new or change.old}
            tell(change)
    for name in OTHER_COMMANDS.keys() & tree.keys() - model.model_fields.keys():
        del tree[name]
        notes.append(f"{place(name)}: read by {OTHER_COMMANDS[name]} only")
    if notes:
        logger.warning("%s.", "; ".join(notes[:SHOWN_FAULTS]))
    try:
        config = model.model_validate(tree)
    except ValidationError as error:
        faults += describe(error, model, overridden, place)
    if not faults:
        return config
    kind = InputError if all(given_by(name, overridden) for name, _ in faults) else InvalidFileError
    said = [line for _, line in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        said.append(f"... and {len(faults) - SHOWN_FAULTS:,} more")
    raise kind(f"{said[0]}." if len(said) == 1 else "Settings are not valid:\n  " + "\n  ".join(said))


def is_depth(value: Any) -> bool:
    """Whether a value of `model.finetune` is that of the text encoder, as it was before other encoders could be
    trained."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def _moved(lines: Lines, change: Change) -> Lines:
    """The lines of a renamed setting, and of those in it, by their new names."""
    old = tuple(change.old.split("."))
    new = tuple(change.new.split(".")) if change.new else old
    return {(*new, *path[len(old) :]): line for path, line in lines.items() if path[: len(old)] == old}


def _override(tree: dict[str, Any], dotted: str, value: Any, model: type[Section]) -> list[Change]:
    """Put an override, which may have an old name, into the tree; what its old name became.

    Raises UnknownSetting.
    """
    if dotted == "model.finetune" and is_depth(value):
        dotted = "model.finetune.text"
    parts = dotted.split(".")
    moved, changes = migrate(_nested(parts[:MAX_DEPTH], value), 1)
    if not changes and parts[0] not in OTHER_COMMANDS.keys() - model.model_fields.keys():
        parts = parts_of(dotted, model)  # a key of a mapping may hold dots
        moved = copied(_nested(parts, value))
    _put(tree, moved, len(parts))
    return changes


def _nested(parts: Sequence[str], value: Any) -> dict[str, Any]:
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def _put(tree: dict[str, Any], more: Mapping[str, Any], depth: int) -> None:
    """Merge sections down to `depth`, where values replace values; the validation finds what is no section."""
    for name, value in more.items():
        if depth == 1 or not isinstance(value, Mapping):
            tree[name] = value
        elif isinstance(section := tree.setdefault(name, {}), dict):
            _put(section, value, depth - 1)


def parse_overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """`["training.rate=0.001"]` -> `{"training.rate": 0.001}`; values are read as YAML."""
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set expects NAME=VALUE, e.g. --set training.rate=1e-3; got {shown(assignment, 100)}.")
        try:
            overrides[name.strip()] = read_yaml(value).value
        except YamlError as error:
            raise InputError(f"--set {shown(assignment, 100, quoted=False)}: {error.reason}.") from error
    return overrides


def share_epochs(total: int, shares: Sequence[int] = PHASE_SHARES) -> tuple[int, int, int]:
    """`--epochs N` over the phases by largest remainder, the earlier phase first, each with a share at least 1.

    Raises InputError for fewer epochs than phases.
    """
    phases = [i for i, share in enumerate(shares) if share]
    if total < len(phases):
        raise InputError(f"--epochs {total}: {len(phases)} phases need at least {len(phases)} epochs.")
    exact = [total * share / sum(shares) for share in shares]
    epochs = [int(share) for share in exact]
    by_remainder = sorted(phases, key=lambda i: (-(exact[i] - epochs[i]), i))
    for i in by_remainder[: total - sum(epochs)]:
        epochs[i] += 1
    while starved := [i for i in phases if not epochs[i]]:  # a few epochs in all: the longest phase gives one
        epochs[epochs.index(max(epochs))] -= 1
        epochs[starved[0]] += 1
    return epochs[0], epochs[1], epochs[2]
