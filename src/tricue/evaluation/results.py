"""Result folders, as `tricue evaluate --out` leaves them, read back and laid side by side row by row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tricue.checkpoint.checkpoint import LEAKY_MARK
from tricue.evaluation.result_rows import Rows, in_order, read_rows
from tricue.files.json_files import read_json
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Sample, mean_statistics
from tricue.tasks.task import Task, task_of
from tricue.types import InputError, InvalidFileError

PREDICTIONS = re.compile(r"(seed-\d+/)?predictions\.csv")
CLOSE = 1e-5  # scores of the same rows; the values in predictions.csv are rounded


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

    headline: _Score
    n: Annotated[int, Field(ge=0)]
    protocol: str
    corpus: str
    split: str
    items: dict[str, Any]
    seeds: _Seeds
    class_shares: list[float] | None = None
    prior: list[float] | None = None
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
    task: Task
    runs: list[Rows]

    @property
    def weights(self) -> list[str]:
        """The digest of each run's weights; none where the metrics do not say (an earlier version wrote them)."""
        model = self.metrics.get("model")
        if not isinstance(model, dict):
            return []
        digests = model.get("runs_sha256") or [model.get("weights_sha256")]
        return [str(digest) for digest in digests if digest]

    @property
    def unanswered(self) -> int:
        """Rows without a usable modality."""
        return sum(not answer.values for answer in self.runs[0].answers)

    @cached_property
    def targets(self) -> np.ndarray:
        return self.task.encode(self.runs[0].labels)

    @cached_property
    def answers(self) -> list[np.ndarray]:
        """`Task.answers` of each run. A row without a usable modality gets what the metrics say of the training rows,
        else what the rows themselves say."""
        own = self.metrics.get("class_shares") or self.metrics.get("prior")
        shares = dict(zip(self.metrics[self.task.items], own or (), strict=bool(own)))
        prior = [shares[name] for name in self.task.names] if own else self.task.prior(self.targets)
        return [self.task.answers(rows.answers, prior) for rows in self.runs]

    def samples(self, grouping: Grouping) -> Sequence[Sample]:
        return self.task.compared(self.targets, self.answers, grouping)


def read_result(folder: Path, order: Sequence[str] = ()) -> Result:
    """A result folder, with its predictions checked against its metrics. Raises InputError.

    order: in which its classes or targets are read, where they are these.
    """
    folder = Path(folder)
    path = metrics_path(folder)
    metrics = read_metrics(path)
    kind = task_of(metrics)
    names = list(metrics[kind.items])
    task = kind.of_results(order if set(order) == set(names) else names)
    runs = [read_rows(file, task) for file in _prediction_files(path, metrics)]
    runs = [runs[0], *(in_order(rows, runs[0]) for rows in runs[1:])]
    leaky = path.name == "leaky.json" or metrics.get("comparable") is False
    result = Result(folder, metrics, leaky, task, runs)
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
    found = metrics if isinstance(metrics, dict) else {}
    task = task_of(found)
    needed = (task.headline(), "n", "protocol", "corpus", "split", task.items, "seeds")
    if missing := [name for name in needed if name not in found]:
        raise InvalidFileError(f"{path} does not say {', '.join(missing)}. {again}")
    try:
        checked = _Metrics.model_validate(found | {"headline": found[task.headline()], "items": found[task.items]})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))[:100]
        raise InvalidFileError(f"{path} is damaged ({place}: {fault['msg'][:200]}). {again}") from error
    prior = checked.class_shares or checked.prior
    if prior and len(prior) != len(checked.items):
        raise InvalidFileError(f"{path} is damaged (its prior and {task.items} differ in length). {again}")
    return found


def _prediction_files(path: Path, metrics: dict[str, Any]) -> list[Path]:
    """The files of rows that the metrics at `path` name, a file per seed; their order does not matter.

    Raises InputError where they are not there.
    """
    folder, seeds, named = path.parent, metrics["seeds"]["n"], metrics.get("predictions")
    if named is None:
        return _found_predictions(folder, seeds)
    if not isinstance(named, list) or len(named) != seeds or not all(PREDICTIONS.fullmatch(str(n)) for n in named):
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


def _check_belongs(result: Result, path: Path) -> None:
    """The predictions must be those that the metrics were made of."""
    first, again = result.runs[0], "The files are of different runs: evaluate again into an empty folder."
    if len(first.labels) != result.metrics["n"]:
        raise InputError(f"{first.path} has {len(first.labels)} rows, {path.name} says {result.metrics['n']}. {again}")
    if any(not answer.values for rows in result.runs for answer in rows.answers):
        return  # their class may be filled in otherwise than when it was scored
    name = result.task.headline()
    samples = result.samples(Grouping.of(None, "row", len(first.labels)))
    value = float(mean_statistics(samples, np.ones((1, len(first.labels))))[name][0])
    stated = result.metrics[name]["value"]
    if abs(value - stated) > CLOSE:
        words = result.task.selected_words
        raise InputError(
            f"{path} says {words} {stated:.4f}, but the predictions beside it come to {value:.4f}. {again}"
        )


def aligned(results: list[Result]) -> list[Result]:
    """All with the rows in the order of the first. Raises InputError where rows, classes or targets differ."""
    first = results[0]
    for other in results[1:]:
        if first.task.name != other.task.name:
            raise InputError(
                f"{first.folder} is of the {first.task.name} task, {other.folder} of the {other.task.name} task: their "
                "scores are not of one kind. Train and evaluate both with the same --task."
            )
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
        if set(first.task.names) != set(other.task.names):
            raise InputError(
                f"The classes or targets differ: {first.folder} has {', '.join(first.task.names)}; {other.folder} has "
                f"{', '.join(other.task.names)}. Train and evaluate both with the same."
            )
    return [replace(own, runs=[in_order(rows, first.runs[0]) for rows in own.runs]) for own in results]


def common_groups(results: Sequence[Result]) -> Grouping:
    """What intervals leave out in turn: dialogues where all rows have one, else speakers, rows.

    From whichever files name them; raises InputError where two name them differently.
    """
    files = [rows for result in results for rows in result.runs]
    kinds: tuple[GroupKind, ...] = ("dialogue", "speaker")
    count = len(files[0].labels)
    for kind in kinds:
        whole = [rows for rows in files if all(rows.groups[kind])]
        for rows in whole[1:]:
            if rows.groups[kind] != whole[0].groups[kind]:
                raise InputError(
                    f"{whole[0].path} and {rows.path} name other {kind}s for the same rows. "
                    "Evaluate both on the same manifest."
                )
        if whole:
            return Grouping.of(whole[0].groups[kind], kind, count)
    return Grouping.of(None, "row", count)
