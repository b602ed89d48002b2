"""Result folders, as `tricue evaluate --out` leaves them, read back and laid side by side row by row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tricue.checkpoint import LEAKY_MARK
from tricue.data.table import ManifestError, read_table
from tricue.evaluation.metrics import GroupKind
from tricue.evaluation.paired import TESTED, seed_scores
from tricue.json_files import read_json
from tricue.spreadsheet import unguarded
from tricue.types import InputError, InvalidFileError

NEEDED = ("weighted_f1", "n", "protocol", "corpus", "split", "per_class", "seeds")  # of metrics.json
PREDICTIONS = re.compile(r"(seed-\d+/)?predictions\.csv")
SHOWN = 3  # rows that a message names
TIE = 1e-6  # the step of probabilities in predictions.csv, where two classes can look alike

Key = tuple[str, int]  # id, and which row of that id, from 0: the leaky protocol repeats rows


@dataclass(frozen=True)
class Rows:
    """One predictions.csv."""

    path: Path
    keys: list[Key]
    labels: list[str]
    groups: dict[GroupKind, list[str]]  # dialogue, speaker of each row; "": not named
    probabilities: np.ndarray  # (N, C)
    unanswered: int  # rows without a usable cue


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")


class _Score(_Section):
    value: float


class _Seeds(_Section):
    n: Annotated[int, Field(ge=1)]


class _Folds(_Section):
    each: dict[str, Any] = {}


class _Interval(_Section):
    unit: str | None = None


class _Metrics(_Section):
    """Fields of metrics.json that are read back, and their types."""

    weighted_f1: _Score
    n: Annotated[int, Field(ge=0)]
    protocol: str
    corpus: str
    split: str
    per_class: dict[str, Any]
    seeds: _Seeds
    class_shares: list[float] | None = None
    folds: _Folds = _Folds()
    interval: _Interval | str | None = None
    tuned: dict[str, str] | None = None
    model: dict[str, Any] = {}


@dataclass(frozen=True)
class Result:
    """One result folder: a model's scores and its rows, per seed."""

    folder: Path
    metrics: dict[str, Any]
    leaky: bool
    classes: list[str]
    runs: list[Rows]

    @property
    def weights(self) -> list[str]:
        """The digest of each run's weights; none where the metrics do not say (an earlier version wrote them)."""
        model = self.metrics.get("model")
        if not isinstance(model, dict):
            return []
        digests = model.get("runs_sha256") or [model.get("weights_sha256")]
        return [str(digest) for digest in digests if digest]


def read_result(folder: Path) -> Result:
    """A result folder, with its predictions checked against its metrics. Raises InputError."""
    folder = Path(folder)
    path = metrics_path(folder)
    metrics = read_metrics(path)
    classes = list(metrics["per_class"])
    shares = metrics.get("class_shares") or None
    runs = [read_rows(file, classes, shares) for file in _prediction_files(path, metrics)]
    runs = [runs[0], *(_in_order(rows, runs[0]) for rows in runs[1:])]
    leaky = path.name == "leaky.json" or metrics.get("comparable") is False
    result = Result(folder, metrics, leaky, classes, runs)
    _check_belongs(result, path)
    return result


def metrics_path(folder: Path) -> Path:
    """The file of a result folder's numbers. Raises InputError where there is none, or two."""
    there = [folder / name for name in ("metrics.json", "leaky.json") if (folder / name).is_file()]
    if len(there) == 1:
        return there[0]
    if there:
        raise InputError(
            f"{folder} holds metrics.json and leaky.json, of two runs. Evaluate each into a folder of its own."
        )
    model = folder if (folder / "model.safetensors").is_file() else "CHECKPOINT"
    raise InputError(
        f"{folder} is no result folder: it holds no metrics.json. Make the results first: "
        f"tricue evaluate --model_path {model} --out DIR, then compare DIR."
    )


def read_metrics(path: Path) -> dict[str, Any]:
    """What a metrics.json says. Raises InvalidFileError where it is damaged or no such file."""
    again = "Run tricue evaluate again with the same --out."
    metrics = read_json(path, "a metrics.json", again, expected=object)
    missing = [name for name in NEEDED if name not in metrics] if isinstance(metrics, dict) else list(NEEDED)
    if missing:
        raise InvalidFileError(f"{path} does not say {', '.join(missing)}. {again}")
    try:
        checked = _Metrics.model_validate(metrics)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))[:100]
        raise InvalidFileError(f"{path} is damaged ({place}: {fault['msg'][:200]}). {again}") from error
    if checked.class_shares and len(checked.class_shares) != len(checked.per_class):
        raise InvalidFileError(f"{path} is damaged (class_shares and per_class differ in length). {again}")
    return metrics


def _prediction_files(path: Path, metrics: dict[str, Any]) -> list[Path]:
    """The files of rows that the metrics at `path` name, a file per seed; their order does not matter.

    Raises InputError where they are not there.
    """
    folder, seeds, named = path.parent, metrics["seeds"]["n"], metrics.get("predictions")
    if named is None:
        return _found_predictions(folder, seeds)
    if (
        not isinstance(named, list)
        or len(named) != seeds
        or not all(PREDICTIONS.fullmatch(str(n)) for n in named)
    ):
        raise InputError(f"{path} is damaged (predictions). Run tricue evaluate again with the same --out.")
    missing = [name for name in named if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} holds no {', '.join(missing)}. Run tricue evaluate again with the same --out, which writes them "
            "beside the metrics."
        )
    return [folder / name for name in named]


def _found_predictions(folder: Path, seeds: int) -> list[Path]:
    """Of metrics that an earlier version wrote, which name no files: predictions.csv of one run, or
    seed-<N>/predictions.csv of several."""
    single, several = folder / "predictions.csv", list(folder.glob("seed-*/predictions.csv"))
    if seeds == 1 and single.is_file():
        return [single]
    if len(several) != seeds:
        need = "predictions.csv" if seeds == 1 else f"predictions of {seeds} seeds (seed-<N>/predictions.csv)"
        there = f", but of {len(several)}" if several else ""
        raise InputError(
            f"{folder} holds no {need}{there}. Run tricue evaluate again into an empty folder, "
            "which writes them beside the metrics."
        )
    return sorted(several)


def read_rows(path: Path, classes: Sequence[str], shares: Sequence[float] | None) -> Rows:
    """One predictions.csv; a row without a usable cue is given `shares`, else the most frequent label.

    Probabilities are those in the file, the named emotion lifted by 1e-6: rounding may have made a tie.
    Raises InputError for what does not hold together.
    """
    table = read_table(path)
    if table.faults:
        raise ManifestError(path, table.faults)
    columns = ["id", "emotion", *(f"p_{name}" for name in classes), "label"]
    missing = [name for name in columns if name not in table.columns]
    others = [n[2:] for n in table.columns if n.startswith("p_") and n[2:] not in classes]
    if missing or others or not table.rows:
        what = f"no column {', '.join(missing)}" if missing else f"the classes {', '.join(others)} besides"
        raise _damaged(path, "it has no row" if not table.rows else f"it has {what}")
    numbered = [(n, {column: unguarded(cell) for column, cell in row.items()}) for n, row in table.rows]
    rows = [row for _, row in numbered]
    common = Counter(row["label"] for row in rows).most_common(1)[0][0]
    nothing = shares if shares is not None else [float(name == common) for name in classes]
    chances = [_chances(path, number, row, classes) or nothing for number, row in numbered]
    kinds: tuple[GroupKind, ...] = ("dialogue", "speaker")
    return Rows(
        path,
        _keys([row["id"] for row in rows]),
        [row["label"] for row in rows],
        {kind: [row.get(kind, "") for row in rows] for kind in kinds},
        np.array(chances, dtype=float),
        sum(not row["emotion"] for row in rows),
    )


def _keys(ids: Sequence[str]) -> list[Key]:
    seen: Counter[str] = Counter()
    keys = []
    for name in ids:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _chances(path: Path, number: int, row: dict[str, str], classes: Sequence[str]) -> list[float] | None:
    """(C,) probabilities of a row; None: it was not answered."""
    if row["label"] not in classes:
        raise _damaged(path, f"row {number} has the label {row['label']!r}, not one of {', '.join(classes)}")
    if not row["emotion"]:
        return None
    try:
        chances = [float(row[f"p_{name}"]) + TIE * (name == row["emotion"]) for name in classes]
    except ValueError as error:
        raise _damaged(path, f"row {number}: {error}") from error
    if not np.isfinite(chances).all() or row["emotion"] != classes[int(np.argmax(chances))]:
        raise _damaged(path, f"row {number}: {row['emotion']!r} is not the class of the highest probability")
    return chances


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}. Run tricue evaluate again with the same --out.")


def _check_belongs(result: Result, path: Path) -> None:
    """The predictions must be those that the metrics were made of."""
    first, again = result.runs[0], "The files are of different runs: evaluate again into an empty folder."
    if len(first.labels) != result.metrics["n"]:
        raise InputError(
            f"{first.path} has {len(first.labels)} rows, {path.name} says {result.metrics['n']}. {again}"
        )
    if any(rows.unanswered for rows in result.runs):
        return  # their class may be filled in otherwise than when it was scored
    labels = np.array([result.classes.index(label) for label in first.labels])
    value = float(seed_scores(labels, [rows.probabilities for rows in result.runs])[TESTED].mean())
    stated = result.metrics[TESTED]["value"]
    if abs(value - stated) > TIE:
        raise InputError(
            f"{path} says weighted F1 {stated:.4f}, but the predictions beside it come to {value:.4f}. {again}"
        )


def aligned(results: list[Result]) -> list[Result]:
    """All with the rows and classes in the order of the first. Raises InputError where they differ."""
    first = results[0]
    for other in results[1:]:
        if first.leaky != other.leaky:
            leaky, clean = (first, other) if first.leaky else (other, first)
            raise InputError(
                f"{leaky.folder} has the protocol leaky, {clean.folder} {clean.metrics['protocol']}. {LEAKY_MARK}. "
                "Evaluate both by the same protocol."
            )
        for name in ("protocol", "corpus", "split"):
            one, two = first.metrics[name], other.metrics[name]
            if one != two:
                raise InputError(
                    f"{first.folder} has the {name} {one}, {other.folder} has {two}: scores from different "
                    f"{name}s say nothing of the models. Evaluate both on the same."
                )
        one_folds, two_folds = (list(r.metrics.get("folds", {}).get("each", ())) for r in (first, other))
        if one_folds != two_folds:
            raise InputError(
                f"{first.folder} has the folds {', '.join(one_folds) or 'none'}, {other.folder} has "
                f"{', '.join(two_folds) or 'none'}: other training rows for the same test rows. Train both in the "
                "same folds."
            )
        if set(first.classes) != set(other.classes):
            raise InputError(
                f"The classes differ: {first.folder} has {', '.join(first.classes)}; {other.folder} has "
                f"{', '.join(other.classes)}. Train and evaluate both with the same emotions."
            )
    return [_like_first(result, first) for result in results]


def _like_first(result: Result, first: Result) -> Result:
    columns = [result.classes.index(name) for name in first.classes]
    runs = [_in_order(rows, first.runs[0]) for rows in result.runs]
    runs = [replace(rows, probabilities=rows.probabilities[:, columns]) for rows in runs]
    return replace(result, classes=first.classes, runs=runs)


def _in_order(rows: Rows, like: Rows) -> Rows:
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
    return Rows(rows.path, like.keys, labels, groups, rows.probabilities[order], rows.unanswered)


def _named(keys: Sequence[Key]) -> str:
    names = [name if again == 0 else f"{name} (row {again + 1} of that id)" for name, again in keys[:SHOWN]]
    return ", ".join(names) + (", ..." if len(keys) > SHOWN else "")


def common_groups(results: Sequence[Result]) -> tuple[GroupKind, np.ndarray]:
    """What is resampled, and (N,) the group of each row: dialogues where all rows have one, else speakers, rows.

    From whichever files name them; raises InputError where two name them differently.
    """
    files = [rows for result in results for rows in result.runs]
    kinds: tuple[GroupKind, ...] = ("dialogue", "speaker")
    for kind in kinds:
        whole = [rows for rows in files if all(rows.groups[kind])]
        for rows in whole[1:]:
            if rows.groups[kind] != whole[0].groups[kind]:
                raise InputError(
                    f"{whole[0].path} and {rows.path} name other {kind}s for the same rows. "
                    "Evaluate both on the same manifest."
                )
        if whole:
            return kind, np.unique(whole[0].groups[kind], return_inverse=True)[1]
    return "row", np.arange(len(files[0].labels))
