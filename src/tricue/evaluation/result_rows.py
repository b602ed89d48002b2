"""Rows of a result folder: predictions.csv read back, and put in the order of another."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tricue.data.labels import Labels
from tricue.data.table import ManifestError
from tricue.data.table_files import read_table
from tricue.data.target_columns import Report
from tricue.files.spreadsheet import unguarded
from tricue.metrics.grouped_intervals import GroupKind
from tricue.tasks.task import Task
from tricue.types import InputError, Label, Prediction

SHOWN = 3  # rows that a message names

Key = tuple[str, int]  # id, and which row of that id, from 0: the leaky protocol repeats rows


@dataclass(frozen=True)
class Rows:
    """One predictions.csv."""

    path: Path
    keys: list[Key]
    labels: list[Label]
    groups: dict[GroupKind, list[str]]  # dialogue, speaker of each row; "": not named
    answers: list[Prediction]  # without values: the row has no usable modality


def read_rows(path: Path, task: Task) -> Rows:
    """One predictions.csv. Raises InputError for what does not hold together."""
    table = read_table(path)
    if table.faults:
        raise ManifestError(path, table.faults)
    target, columns = task.columns(Labels()), set(table.columns)
    place = {name: f"label_{name}" for name in target.columns}  # of each part of the label
    if len(place) == 1 and not set(place.values()) & columns:
        place = dict.fromkeys(place, "label")
    missing = [name for name in ("id", *task.answer_columns, *place.values()) if name not in columns]
    others = [name for name in table.columns if name.startswith("p_") and name not in task.answer_columns]
    if missing or others or not table.rows:
        what = f"no column {', '.join(missing)}" if missing else f"{', '.join(others)} besides"
        raise _damaged(path, "it has no row" if not table.rows else f"it has {what}")
    labels: list[Label] = []
    answers = []
    rows = [{column: unguarded(cell) for column, cell in row.items()} for _, row in table.rows]
    for (number, _), row in zip(table.rows, rows, strict=True):
        written = {name: row[column] for name, column in place.items()}
        try:
            label = target.read(written, _refused(written)) if any(written.values()) else None
            answers.append(task.read_answer(row))
        except ValueError as error:
            raise _damaged(path, f"row {number}: {error}") from error
        if label is None:
            raise _damaged(path, f"row {number} has no label")
        labels.append(label)
    kinds: tuple[GroupKind, ...] = ("dialogue", "speaker")
    groups = {kind: [row.get(kind, "") for row in rows] for kind in kinds}
    return Rows(path, _keys([row["id"] for row in rows]), labels, groups, answers)


def _refused(written: Mapping[str, str]) -> Report:
    """Raises ValueError for a label that cannot be read."""

    def fault(column: str, kind: str, remedy: str) -> None:
        raise ValueError(f"the label {written[column]!r}: {kind} ({remedy})")

    return fault


def _keys(ids: Sequence[str]) -> list[Key]:
    seen: Counter[str] = Counter()
    keys = []
    for name in ids:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}. Run tricue evaluate again with the same --out.")


def in_order(rows: Rows, like: Rows) -> Rows:
    """The rows in the order of `like`. Raises InputError where they are not the same rows."""
    place = {key: i for i, key in enumerate(rows.keys)}
    known = set(like.keys)
    without = [[k for k in like.keys if k not in place], [k for k in rows.keys if k not in known]]
    if any(without):
        only = "; ".join(
            f"{len(keys)} only in {path} ({_named(keys)})"
            for keys, path in zip(without, (like.path, rows.path), strict=True)
            if keys
        )
        raise InputError(f"The tested rows differ: {only}. Evaluate both on the same rows.")
    order = [place[key] for key in like.keys]
    labels = [rows.labels[i] for i in order]
    other = [i for i, label in enumerate(labels) if label != like.labels[i]]
    if other:
        i = other[0]
        raise InputError(
            f"{len(other)} rows have another label in {rows.path} than in {like.path}, first "
            f"{_named([like.keys[i]])}: {labels[i]}, not {like.labels[i]}. Evaluate both on the same labels."
        )
    groups = {kind: [names[i] for i in order] for kind, names in rows.groups.items()}
    return Rows(rows.path, like.keys, labels, groups, [rows.answers[i] for i in order])


def _named(keys: Sequence[Key]) -> str:
    names = [name if again == 0 else f"{name} (row {again + 1} of that id)" for name, again in keys[:SHOWN]]
    return ", ".join(names) + (", ..." if len(keys) > SHOWN else "")
