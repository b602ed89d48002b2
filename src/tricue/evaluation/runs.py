"""All runs under a folder measured as one: folds pooled per seed, numbers averaged over the seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tricue.checkpoint import checkpoint_folder, read_card
from tricue.data.audit import worst_summary
from tricue.data.corpora import report
from tricue.evaluation.evaluate import (
    Evaluation,
    calibration,
    circumstances,
    evaluate,
    measure,
    score_rows,
    title,
    write_rows,
    write_scores,
)
from tricue.files import check_place
from tricue.locks import locked
from tricue.training.runs import Run, read_runs
from tricue.types import InputError


@dataclass(frozen=True)
class Together:
    """All runs of a folder, measured on the same rows."""

    measured: list[tuple[Run, Evaluation]]
    pooled: dict[
        str, Evaluation
    ]  # what counts as one run each, by the name of its folder: a seed with all its folds
    metrics: dict[str, Any]

    @property
    def first(self) -> Evaluation:
        return next(iter(self.pooled.values()))


def evaluate_all(folder: Path, *, out: Path, **choices: Any) -> Evaluation:
    """`evaluate` of a checkpoint; of a folder that `train` filled with several runs, of all of them together.

    Each number, ECE too, is then the mean over the seeds; folds are pooled (on another corpus than that of training,
    where every fold scores all rows, they count as seeds), and `folds` tells each one's scores with their mean and
    standard deviation. The rows of each seed lie in `out`/seed-N/predictions.csv, those of a single one in `out`.
    """
    runs = read_runs(folder)
    if not runs:
        return evaluate(folder, out=out, **choices)
    check_place(out / "metrics.json")
    with locked(out):
        found = measure_all(folder, **choices)
        pooled, first = found.pooled, found.first
        files = [write_rows(out / name if len(pooled) > 1 else out, own) for name, own in pooled.items()]
        metrics = found.metrics | {
            "predictions": [
                file.relative_to(out).as_posix() for file in files
            ]  # an earlier call may have left more
        }
        return replace(first, metrics=metrics, title=title(metrics), scores=write_scores(out, metrics))


def measure_all(folder: Path, **choices: Any) -> Together:
    """`measure` of each run of a folder, and their numbers together. Raises InputError where the rows differ."""
    runs = read_runs(folder)
    measured = [(run, measure(run_model(folder, run), **choices)) for run in runs]
    report(measured[0][1].corpus)
    folds = any(run.fold for run in runs) and all(result.dealt for _, result in measured)
    pooled = _pooled(measured, folds)
    first = next(iter(pooled.values()))
    _check_same_rows(pooled, folds, run_model(folder, runs[0]))
    metrics = score_rows(
        first.utterances, [r.probabilities for r in pooled.values()], first.card, first.config
    )
    metrics |= _circumstances(folder, measured, first)
    metrics["calibration"] = _mean_calibration([r.metrics["calibration"] for r in pooled.values()])
    audits = {str(run): result.card.audit for run, result in measured if result.card.audit is not None}
    metrics["audit"] = worst_summary(audits) if audits else None
    if folds:
        metrics["folds"] = _folds(measured)
        metrics["split_role"] = f"test: each of {len(metrics['folds']['each'])} folds left out in turn"
    return Together(measured, pooled, metrics)


def single_model(model_path: Path, what: str) -> Path:
    """The checkpoint's folder. Raises InputError for a folder of several runs, of which `what` needs one.

    Of the copy that `train` leaves of the best of several runs: the original, beside its phases and history.
    """
    folder = checkpoint_folder(model_path)
    runs = read_runs(folder)
    if runs:
        raise InputError(
            f"{folder} holds several runs, and {what} is of one: give e.g. {run_model(folder, runs[0])}."
        )
    return _original(folder)


def _original(folder: Path) -> Path:
    for run in read_runs(folder.parent):
        model = folder.parent / run.folder / folder.name
        if model.is_dir() and read_card(model).weights_sha256 == read_card(folder).weights_sha256:
            return model
    return folder


def _pooled(measured: Sequence[tuple[Run, Evaluation]], folds: bool) -> dict[str, Evaluation]:
    """What counts as one run each, by the name of its folder: a seed with all its folds; on another corpus, where every
    fold scores all rows, each run by itself."""
    by_run: dict[str, list[Evaluation]] = defaultdict(list)
    for number, (run, result) in enumerate(measured):
        by_run[f"seed-{run.seed if folds else number}"].append(result)
    return {name: _pool(parts) for name, parts in by_run.items()}


def _check_same_rows(pooled: Mapping[str, Evaluation], folds: bool, example: Path) -> None:
    """Raise InputError where the runs do not score the same rows, once each."""
    first = next(iter(pooled.values()))
    split, ids = first.metrics["split"], [u.id for u in first.utterances]
    if folds and split != "test":
        raise InputError(
            f"The {split} rows of one fold are test rows of another: they have no score in common. Evaluate a single "
            f"fold, e.g. --model_path {example}"
        )
    if any([u.id for u in result.utterances] != ids for result in pooled.values()):
        raise InputError(
            f"The {split} rows differ from run to run; choose another --split, or evaluate each run by itself, e.g. "
            f"--model_path {example}"
        )


def run_model(folder: Path, run: Run) -> Path:
    """The checkpoint of one of several runs. Raises InputError where that run is not finished."""
    for model in (folder / run.folder / "best_model", folder / run.folder / "leaky_model"):
        if model.is_dir():
            return model
    raise InputError(
        f"{folder / run.folder} holds no model yet ({run}): give the train command again to finish it."
    )


def _pool(parts: Sequence[Evaluation]) -> Evaluation:
    """The folds of one seed as one evaluation: every row is in exactly one fold's test part."""
    return replace(
        parts[0],
        metrics=parts[0].metrics | {"calibration": calibration(parts)},
        utterances=[row for part in parts for row in part.utterances],
        predictions=[p for part in parts for p in part.predictions],
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


def _mean_calibration(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over the seeds, whose rows are the same."""
    means = {}
    for name in ("temperature", "ece", "ece_uncalibrated"):
        values = [run[name] for run in each]
        means[name] = None if None in values else float(np.mean(values))
    return {**each[0], **means}


def _circumstances(
    folder: Path, measured: Sequence[tuple[Run, Evaluation]], first: Evaluation
) -> dict[str, Any]:
    metrics = circumstances(
        first.card,
        first.corpus,
        first.metrics["split"],
        first.metrics["modalities"],
        first.predictions,
        folder,
    )
    metrics["split_role"] = first.metrics["split_role"]
    metrics["model"] |= {"phase": None, "epoch": None, "fold": None, "weights_sha256": None}
    metrics["model"]["runs"] = [str(run) for run, _ in measured]
    metrics["model"]["runs_sha256"] = [result.card.weights_sha256 for _, result in measured]
    return metrics


def _folds(measured: Sequence[tuple[Run, Evaluation]]) -> dict[str, Any]:
    """Per fold the mean over its seeds; over the folds mean and standard deviation (ddof 1)."""
    names = ("weighted_f1", "accuracy", "macro_f1", "uar")
    by_fold: dict[str, list[Evaluation]] = defaultdict(list)
    for run, result in measured:
        by_fold[run.fold].append(result)
    each = {
        fold: {
            **{name: float(np.mean([r.metrics[name]["value"] for r in results])) for name in names},
            "n": results[0].metrics["n"],
        }
        for fold, results in by_fold.items()
    }
    mean = {name: float(np.mean([fold[name] for fold in each.values()])) for name in names}
    std = {name: _deviation([fold[name] for fold in each.values()]) for name in names}
    return {"each": each, "mean": mean, "std": std}


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
