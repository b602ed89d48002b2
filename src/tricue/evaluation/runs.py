"""All runs under a folder measured as one: folds pooled per seed, numbers averaged over the seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tricue.data.audit import worst_summary
from tricue.data.corpora import report
from tricue.evaluation.evaluate import (
    Evaluation,
    circumstances,
    evaluate,
    measure,
    score_rows,
    title,
    write_rows,
    write_scores,
)
from tricue.files import check_place
from tricue.training.runs import Run, read_runs
from tricue.types import InputError


def evaluate_all(folder: Path, *, out: Path, **choices: Any) -> Evaluation:
    """`evaluate` of a checkpoint; of a folder that `train` filled with several runs, of all of them together.

    Each number is then the mean over the seeds; folds are pooled, and `folds` tells each one's scores with their mean
    and standard deviation. The rows of each seed lie in `out`/seed-N/predictions.csv, those of a single one in `out`.
    """
    runs = read_runs(folder)
    if not runs:
        return evaluate(folder, out=out, **choices)
    check_place(out / "metrics.json")
    measured = [(run, measure(_model(folder, run), **choices)) for run in runs]
    report(measured[0][1].corpus)
    by_seed: dict[int, list[Evaluation]] = defaultdict(list)
    for run, result in measured:
        by_seed[run.seed].append(result)
    pooled = {seed: _pool(parts) for seed, parts in by_seed.items()}
    first = pooled[runs[0].seed]
    if any(
        [u.id for u in result.utterances] != [u.id for u in first.utterances] for result in pooled.values()
    ):
        raise InputError(
            f"The {first.metrics['split']} rows differ from seed to seed; choose another --split, or evaluate each run "
            f"by itself, e.g. --model_path {_model(folder, runs[0])}"
        )
    runs_of_rows = [result.probabilities for result in pooled.values()]
    metrics = score_rows(first.utterances, runs_of_rows, first.card, first.card.config)
    metrics |= _circumstances(folder, runs, first)
    audits = {str(run): result.card.audit for run, result in measured if result.card.audit is not None}
    metrics["audit"] = worst_summary(audits) if audits else None
    if any(run.fold for run in runs):
        metrics["folds"] = _folds(measured)
    for seed, result in pooled.items():
        write_rows(out / f"seed-{seed}" if len(pooled) > 1 else out, result)
    return replace(first, metrics=metrics, title=title(metrics), scores=write_scores(out, metrics))


def _model(folder: Path, run: Run) -> Path:
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
        utterances=[row for part in parts for row in part.utterances],
        predictions=[p for part in parts for p in part.predictions],
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


def _circumstances(folder: Path, runs: Sequence[Run], first: Evaluation) -> dict[str, Any]:
    metrics = circumstances(
        first.card,
        first.corpus,
        first.metrics["split"],
        first.metrics["modalities"],
        first.predictions,
        folder,
    )
    folds = {run.fold for run in runs}
    metrics["model"] |= {"phase": None, "epoch": None, "fold": None, "runs": [str(run) for run in runs]}
    if len(folds) > 1:
        metrics["split_role"] = f"test: each of {len(folds)} folds left out in turn"
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
