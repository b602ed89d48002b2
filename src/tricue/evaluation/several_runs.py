"""All runs under a folder measured as one: folds pooled per seed, numbers averaged over the seeds."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tricue.audit.audit import worst_summary
from tricue.checkpoint.checkpoint import checkpoint_folder, read_card
from tricue.config.settings import Config
from tricue.corpora.catalogue import report
from tricue.evaluation.evaluate import (
    SCORES,
    Evaluation,
    baseline_metrics,
    calibration,
    circumstances,
    evaluate,
    measure,
    score_rows,
    title,
    with_adaptation,
    write_rows,
    write_scores,
)
from tricue.files.atomic import check_place
from tricue.files.locks import locked
from tricue.training.runs import Run, read_runs, train_all
from tricue.training.train import TrainResult
from tricue.training.workspace import Workspace
from tricue.types import InputError


@dataclass(frozen=True)
class Together:
    """All runs of a folder, measured on the same rows."""

    measured: list[tuple[Run, Evaluation]]
    pooled: dict[str, Evaluation]  # what counts as one run each, by the name of its folder: a seed with all its folds
    metrics: dict[str, Any]

    @property
    def first(self) -> Evaluation:
        return next(iter(self.pooled.values()))


def train_and_evaluate(
    config: Config, *, save_dir: Path, workspace: Workspace, dataset: str | None = None, **choices: Any
) -> tuple[list[TrainResult], Evaluation | None]:
    """`train_all`; under a protocol that makes its own test part, which it is for, the scores in `save_dir`, too.

    dataset: as `measure` takes it. choices: of `train_all`.
    """
    with locked(save_dir):
        results = train_all(config, save_dir=save_dir, workspace=workspace, **choices)
        if config.data.protocol == "official":
            return results, None
        model = save_dir if len(results) > 1 else results[0].best_model
        return results, evaluate_all(model, out=save_dir, workspace=workspace, dataset=dataset)


def evaluate_all(folder: Path, *, out: Path, **choices: Any) -> Evaluation:
    """`evaluate` of a checkpoint; of a folder that `train` filled with several runs, of all of them together.

    Each number, ECE too, is then the mean over the seeds; folds are pooled (on another corpus than that of training,
    where every fold scores all rows, they count as seeds), and `folds` tells each one's scores with their mean and
    standard deviation. The rows of each seed lie in `out`/seed-N/predictions.csv, those of a single one in `out`.
    """
    if not read_runs(folder):
        return evaluate(folder, out=out, **choices)
    check_place(out / SCORES)
    with locked(out):
        return write_together(out, measure_all(folder, **choices))


def write_together(out: Path, found: Together) -> Evaluation:
    """The numbers of all runs together in `out`, and the rows of each seed; what was found in the corpus is logged."""
    report(found.first.corpus)
    pooled = found.pooled
    files = [write_rows(out / name if len(pooled) > 1 else out, own) for name, own in pooled.items()]
    metrics = found.metrics | {
        "predictions": [file.relative_to(out).as_posix() for file in files]  # an earlier call may have left more
    }
    return replace(found.first, metrics=metrics, title=title(metrics), scores=write_scores(out, metrics))


def measure_all(folder: Path, of_run: Callable[..., Evaluation] = measure, **choices: Any) -> Together:
    """`measure` of each run of a folder, and their numbers together. Raises InputError where the rows differ.

    of_run: what measures a run: `measure`, or what draws its page too; it is given the run's model and `choices`.
    """
    models = {run: run_model(folder, run) for run in read_runs(folder)}
    example = next(iter(models.values()))
    measured: list[tuple[Run, Evaluation]] = []
    for run, model in models.items():
        corpus = measured[0][1].corpus if measured else None  # the runs differ in their splits
        measured.append((run, of_run(model, corpus=corpus, **choices)))
        _check_fold(run, measured[-1][1], example)
    folds = any(run.fold for run in models) and all(result.dealt for _, result in measured)
    pooled = _pooled(measured, folds)
    first = next(iter(pooled.values()))
    _check_same_rows(pooled, example)
    metrics = score_rows(first.utterances, [r.answers for r in pooled.values()], first.card)
    metrics |= _circumstances(folder, measured, first)
    metrics |= baseline_metrics(list(pooled.values())) | _told_of_baselines([result.metrics for _, result in measured])
    if "calibration" in first.metrics:
        metrics["calibration"] = _mean_calibration([r.metrics["calibration"] for r in pooled.values()])
    audits = {str(run): result.card.audit for run, result in measured if result.card.audit is not None}
    metrics["audit"] = worst_summary(audits) if audits else None
    if folds:
        metrics["folds"] = _folds(measured)
        role = f"test: each of {len(metrics['folds']['each'])} folds left out in turn"
        metrics["split_role"] = with_adaptation(role, metrics["speaker_adaptation"])
    return Together(measured, pooled, metrics)


def single_model(model_path: Path, what: str) -> Path:
    """The checkpoint's folder. Raises InputError for a folder of several runs, of which `what` needs one.

    Of the copy that `train` leaves of the best of several runs: the original, beside its phases and history.
    """
    folder = checkpoint_folder(model_path)
    runs = read_runs(folder)
    if runs:
        raise InputError(f"{folder} holds several runs, and {what} is of one: give e.g. {run_model(folder, runs[0])}.")
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


def _check_fold(run: Run, result: Evaluation, example: Path) -> None:
    """Raise InputError for rows of a fold that are not its test part."""
    split = result.metrics["split"]
    if run.fold and result.dealt and split != "test":
        raise InputError(
            f"The {split} rows of one fold are test rows of another: they have no score in common. Evaluate a single "
            f"fold, e.g. --model_path {example}"
        )


def _check_same_rows(pooled: Mapping[str, Evaluation], example: Path) -> None:
    """Raise InputError where the runs do not score the same rows, once each."""
    first = next(iter(pooled.values()))
    split, ids = first.metrics["split"], [u.id for u in first.utterances]
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
    raise InputError(f"{folder / run.folder} holds no model yet ({run}): give the train command again to finish it.")


def _pool(parts: Sequence[Evaluation]) -> Evaluation:
    """The folds of one seed as one evaluation: every row is in exactly one fold's test part."""
    return replace(
        parts[0],
        metrics=parts[0].metrics | calibration(parts),
        utterances=[row for part in parts for row in part.utterances],
        predictions=[p for part in parts for p in part.predictions],
        answers=np.concatenate([part.answers for part in parts]),
        baselines={
            name: np.concatenate([part.baselines[name] for part in parts])
            for name in parts[0].baselines
            if all(name in part.baselines for part in parts)
        },
    )


def _told_of_baselines(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Why some runs lack baselines, and `label_probe` of the run whose features look most as if they had seen the
    labels."""
    notes = list(dict.fromkeys(note for run in runs if (note := run.get("baselines_note"))))
    probes = [probe for run in runs if (probe := run.get("label_probe"))]
    worst = max(probes, key=lambda probe: probe["difference"]["low"], default=None)
    return {"baselines_note": "; ".join(notes) or None, "label_probe": worst}


def _mean_calibration(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over the seeds, whose rows are the same."""
    means = {}
    for name in ("temperature", "ece", "ece_uncalibrated"):
        values = [run[name] for run in each]
        means[name] = None if None in values else float(np.mean(values))
    return {**each[0], **means}


def _circumstances(folder: Path, measured: Sequence[tuple[Run, Evaluation]], first: Evaluation) -> dict[str, Any]:
    metrics = circumstances(
        first.card, first.corpus, first.metrics["split"], first.metrics["modalities"], first.predictions, folder
    )
    each = [result.metrics["speaker_adaptation"] for _, result in measured]
    adapted = next((own for own in each if own["form"] != "off"), each[0])
    if clips := [own["clips"] for own in each if "clips" in own]:
        median = float(np.median([own["median"] for own in clips]))
        least, most = min(own["least"] for own in clips), max(own["most"] for own in clips)
        adapted = adapted | {"clips": {"median": median, "least": least, "most": most}}
    metrics |= {"split_role": first.metrics["split_role"], "speaker_adaptation": adapted}
    metrics["model"] |= {"phase": None, "epoch": None, "fold": None, "weights_sha256": None}
    metrics["model"]["runs"] = [str(run) for run, _ in measured]
    metrics["model"]["runs_sha256"] = [result.card.weights_sha256 for _, result in measured]
    return metrics


def _folds(measured: Sequence[tuple[Run, Evaluation]]) -> dict[str, Any]:
    """Per fold the mean over its seeds; over the folds mean and standard deviation (ddof 1)."""
    names = list(measured[0][1].card.task.numbers)
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
