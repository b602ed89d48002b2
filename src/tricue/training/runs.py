"""Several runs under one folder: the folds of a protocol, one after another, and the seeds of a command."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tricue.checkpoint import best_model
from tricue.config import Config
from tricue.data.corpora import Manifests, read_corpus, report
from tricue.data.corpus import Corpus
from tricue.data.splits import fold_names, folds_of
from tricue.files import check_place, remove_folder, replaced_folder
from tricue.json_files import read_json, write_json
from tricue.locks import locked
from tricue.training.log import said_once
from tricue.training.place import RUN, OtherRun, clear, has_begun
from tricue.training.train import TrainResult, train, with_emotions
from tricue.types import InputError, InvalidFileError

logger = logging.getLogger(__name__)

RUNS = "runs.json"
FOLDER = re.compile(r"seed-\d+|fold-\d+|seed-\d+/fold-\d+")


@dataclass(frozen=True)
class Run:
    """One of several runs, and the folder under `save_dir` that it has to itself."""

    seed: int
    fold: str  # empty where the protocol has none
    folder: str

    def __str__(self) -> str:
        return f"seed {self.seed}" + (f", fold {self.fold}" if self.fold else "")


def train_all(
    config: Config,
    *,
    seeds: int,
    save_dir: Path,
    data_dir: Path | None = None,
    manifest: Manifests = None,
    restart: bool = False,
    **choices: Any,
) -> list[TrainResult]:
    """Every fold of the protocol with every one of `seeds` seeds from `config.seed` on; a killed call goes on.

    One run alone lies in `save_dir` itself. Several have a folder each, listed in `save_dir`/runs.json, and
    `save_dir`/best_model is the one that its own val says most of. choices: as `train` takes them.
    Raises InputError as `train` does.
    """
    check_place(save_dir / RUNS)
    with locked(save_dir):
        corpus = read_corpus(config, data_dir=data_dir, manifest=manifest)
        report(corpus)
        runs = _plan(config, corpus, seeds)
        _make_place(save_dir, runs, restart)
        if (
            len(runs) > 1 or runs[0].fold
        ):  # the same classes in every run, also where one fold is run by itself
            config = with_emotions(config, corpus, corpus.utterances)
        choices |= {"corpus": corpus, "restart": restart}
        if len(runs) == 1:
            return [train(config, save_dir=save_dir, **choices)]
        with said_once():
            return _train_each(config, runs, save_dir, choices)


def _train_each(
    config: Config, runs: list[Run], save_dir: Path, choices: dict[str, Any]
) -> list[TrainResult]:
    """The runs one after another, each into its folder; the best by val into `save_dir`/best_model."""
    write_json(save_dir / RUNS, _as_json(runs))
    results = []
    for number, run in enumerate(runs, start=1):
        logger.info("Run %d of %d: %s", number, len(runs), run)
        own = config.model_copy(
            update={"seed": run.seed, "data": config.data.model_copy(update={"fold": run.fold})}
        )
        try:
            results.append(train(own, save_dir=save_dir / run.folder, **choices))
        except InputError:
            if not _have_begun(save_dir, runs):
                (save_dir / RUNS).unlink()
            raise
    best = max(results, key=lambda result: result.card.val_weighted_f1 or 0.0)
    with replaced_folder(best_model(save_dir, config)) as fresh:
        shutil.copytree(best.best_model, fresh, dirs_exist_ok=True)
    return results


def _have_begun(save_dir: Path, runs: list[Run]) -> bool:
    return any(has_begun(save_dir / run.folder) for run in runs)


def read_runs(folder: Path) -> list[Run]:
    """The runs that lie under a folder; none where it holds no runs.json. Raises InputError where that is damaged."""
    path = folder / RUNS
    if not path.is_file():
        return []
    content = read_json(path, "a list of runs", "Train with --restart.")
    try:
        runs = TypeAdapter(list[Run]).validate_python(content.get("runs"))
        if not runs or not all(FOLDER.fullmatch(run.folder) for run in runs):
            raise ValueError("folders of another kind")  # --restart deletes them
        return runs
    except ValueError as error:  # pydantic's is one
        raise InvalidFileError(
            f"{path} is damaged ({' '.join(str(error).split())[:200]}). Train with --restart."
        ) from error


def _plan(config: Config, corpus: Corpus, seeds: int) -> list[Run]:
    folds = _scorable(corpus, fold_names(corpus.utterances, config.data), config)
    runs = []
    for seed in range(config.seed, config.seed + seeds):
        for number, fold in enumerate(folds, start=1):
            parts = ([f"seed-{seed}"] if seeds > 1 else []) + ([f"fold-{number}"] if len(folds) > 1 else [])
            runs.append(Run(seed, fold, "/".join(parts)))
    return runs


def _scorable(corpus: Corpus, folds: list[str], config: Config) -> list[str]:
    """The folds whose test part has labelled rows; the others are named and left out."""
    if folds == [""]:
        return folds
    fold_of = folds_of(corpus.utterances, config.data)
    labelled = {fold_of[row.id] for row in corpus.utterances if row.emotion is not None}
    for fold in folds:
        if fold not in labelled:
            logger.warning("Fold %s has no labelled row to score: it is not left out by itself.", fold)
    kept = [fold for fold in folds if fold in labelled]
    if not kept:
        raise InputError("No fold has a labelled row. Fill the manifest's `emotion`.")
    return kept


def _as_json(runs: list[Run]) -> dict[str, Any]:
    return {"runs": [{"seed": run.seed, "fold": run.fold, "folder": run.folder} for run in runs]}


def _make_place(save_dir: Path, runs: list[Run], restart: bool) -> None:
    """Raise OtherRun where other runs lie in `save_dir`; with `restart` they are deleted."""
    several, single = len(runs) > 1, save_dir / RUN
    try:
        earlier = read_runs(save_dir)
    except InputError:
        if not restart:
            raise
        earlier = []
    if restart:
        for run in earlier:
            remove_folder(save_dir / run.folder)
        (save_dir / RUNS).unlink(missing_ok=True)
        if several:
            clear(save_dir)
        return
    taken = _have_begun(save_dir, earlier) and earlier != runs
    if several and (single.is_file() or not earlier):  # best_model alone is the copy of the best of `earlier`
        taken = taken or has_begun(save_dir)
    if taken:
        there = f"{len(earlier)} runs ({earlier[0]}, ...)" if earlier else "a single run"
        wanted = f"{len(runs)} runs ({runs[0]}, ...)" if several else "a single run"
        raise OtherRun(
            f"{save_dir} holds {there}, and this is {wanted}. Choose another --save_dir, or --restart to delete what "
            "is there and begin anew."
        )
    (single if several else save_dir / RUNS).unlink(
        missing_ok=True
    )  # of a run that stopped before its first weights
