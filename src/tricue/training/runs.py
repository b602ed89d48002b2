"""Several runs under one folder: the folds of a protocol and the seeds of a command, as one fleet."""

import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tricue.checkpoint.checkpoint import best_model
from tricue.config.settings import Config
from tricue.corpora.catalogue import report
from tricue.data.corpus import Corpus
from tricue.data.splits import Splits, classes_of_one_group, fold_names, folds_of
from tricue.files.atomic import check_place, remove_folder, replaced_folder
from tricue.files.json_files import read_json, write_json
from tricue.files.locks import locked
from tricue.tasks.task import make_task
from tricue.training.fleet import Call, choose_jobs, run_fleet, threads_each
from tricue.training.log import said_once
from tricue.training.run_directory import RUN, OtherRun, clear, has_begun, is_complete
from tricue.training.train import TrainResult, read_copies, read_features, settle, train
from tricue.training.workspace import Workspace
from tricue.types import InputError, InvalidFileError, shown

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


@dataclass(frozen=True)
class Group:
    """The runs of one configuration: one in `save_dir` itself, or several with a folder each."""

    name: str  # empty: the only group
    config: Config
    save_dir: Path
    runs: list[Run]

    def planned(self) -> list[tuple[str, Config, Path]]:
        """Name, settings and folder of each run."""
        config, data, prefix = self.config, self.config.data, f"{self.name}, " if self.name else ""
        return [
            (
                f"{prefix}{run}",
                config.model_copy(update={"seed": run.seed, "data": data.model_copy(update={"fold": run.fold})}),
                self.save_dir / run.folder,
            )
            for run in self.runs
        ]


def train_all(config: Config, *, save_dir: Path, workspace: Workspace, **choices: Any) -> list[TrainResult]:
    """Every fold of the protocol with every one of `seeds` seeds from `config.seed` on; a killed call goes on.

    One run alone lies in `save_dir` itself. Several have a folder each, listed in `save_dir`/runs.json, and
    `save_dir`/best_model is the one that its own val says most of. choices: of `train_groups`.
    Raises InputError as `train` does, and FleetError where some of several runs failed.
    """
    check_place(save_dir / RUNS)
    with locked(save_dir):
        corpus = workspace.read_corpus(config)
        report(corpus)
        (results,) = train_groups({"": config}, corpus, save_dir=save_dir, workspace=workspace, **choices)
        return results


def train_groups(
    configs: Mapping[str, Config],
    corpus: Corpus,
    *,
    seeds: int,
    save_dir: Path,
    workspace: Workspace,
    init_from: Path | None = None,
    restart: bool = False,
    jobs: int | None = 1,
) -> list[list[TrainResult]]:
    """`train_all` of several configurations by name, each in a folder of that name, as one fleet.

    Args:
        seeds: So many, from `config.seed` on.
        init_from, restart: As `train` takes them.
        jobs: As `choose_jobs` takes it.
    """
    with ExitStack() as held, said_once():
        groups = []
        for name, config in configs.items():
            with locked(save_dir / name):
                groups.append(_make_group(name, config, corpus, seeds, save_dir / name, restart))
            if len(groups[-1].runs) > 1:  # a single run locks the folder itself, maybe in another process
                held.enter_context(locked(save_dir / name))
        planned = [run for group in groups for run in group.planned()]
        # a wrong call is known before any training
        settled = [settle(config, corpus, init_from) for _, config, _ in planned]
        for group in groups:
            if len(group.runs) > 1:
                write_json(group.save_dir / RUNS, {"runs": [asdict(run) for run in group.runs]})
        left = [i for i, (_, own, folder) in enumerate(planned) if restart or not is_complete(folder, own)]
        count = choose_jobs(jobs, len(left), workspace.device)
        if count > 1:
            _extract_ahead([settled[i] for i in left], corpus, workspace)
        place = replace(workspace, quiet=workspace.quiet or count > 1)  # one bar at a time
        begin = partial(train, workspace=place, corpus=corpus, init_from=init_from, restart=restart)
        calls = [Call(name, partial(begin, own, save_dir=folder)) for name, own, folder in planned]
        results = {i: call.function() for i, call in enumerate(calls) if i not in left}  # finished already
        threads = threads_each(len(calls))
        fresh = run_fleet([calls[i] for i in left], jobs=count, threads=threads, quiet=workspace.quiet)
        results |= dict(zip(left, fresh, strict=True))
        in_order = (results[i] for i in range(len(calls)))
        return [_with_best(group, [next(in_order) for _ in group.runs]) for group in groups]


def _make_group(name: str, config: Config, corpus: Corpus, seeds: int, save_dir: Path, restart: bool) -> Group:
    """The runs of a configuration, and room for them in `save_dir`. Raises OtherRun where others lie there."""
    runs = _plan(config, corpus, seeds)
    _make_place(save_dir, runs, restart)
    if len(runs) > 1 or runs[0].fold:  # the same classes in every run, also where one fold is run by itself
        config = make_task(config).fitted(config, corpus, corpus.utterances)
    return Group(name, config, save_dir, runs)


def _extract_ahead(settled: Sequence[tuple[Config, Splits]], corpus: Corpus, workspace: Workspace) -> None:
    """Extract what the runs read before the first of them: several at once would each do it."""
    done = set()
    for config, splits in settled:
        train_rows, val_rows = (frozenset(row.id for row in splits[name]) for name in ("train", "val"))
        rows = train_rows | val_rows if config.training.select == "best" else (train_rows, val_rows)
        copied = (train_rows, config.training.audio_copies) if config.training.audio_copies else None
        live = tuple(config.live.items())
        reads = (rows, copied, tuple(config.modalities), config.features.model_dump_json(), live)
        if reads not in done:
            read_features(config, corpus, splits, workspace)
            read_copies(config, splits, workspace)
            done.add(reads)


def _with_best(group: Group, results: list[TrainResult]) -> list[TrainResult]:
    """The results, once the best of several by val is copied to the group's best_model."""
    if len(results) > 1:
        best = max(results, key=lambda result: result.card.val_score or 0.0)
        with replaced_folder(best_model(group.save_dir, group.config)) as fresh:
            shutil.copytree(best.best_model, fresh, dirs_exist_ok=True)
    return results


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
    """The folds whose test part has labelled rows; the others are named and left out. Classes that no fold both trains
    and tests are named too.

    Raises InputError where no row is labelled, or all classes are such.
    """
    if folds == [""]:
        return folds
    unit, single = classes_of_one_group(corpus.utterances, config.data)
    for name, group in single.items():
        logger.warning(
            "All rows of %s are of one %s (%s): no fold of %s trains and tests this class, and its test rows count as "
            "errors. Add clips of it by other %ss, choose another --protocol, or leave it out: --set "
            "'data.mapping={%s: \"\"}'.",
            name, unit, shown(group, quoted=False), config.data.protocol, unit, name,
        )  # fmt: skip
    fold_of = folds_of(corpus.utterances, config.data)
    labelled = {fold_of[row.id] for row in corpus.utterances if row.label is not None}
    for fold in folds:
        if fold not in labelled:
            logger.warning("Fold %s has no labelled row to score: it is not left out by itself.", fold)
    kept = [fold for fold in folds if fold in labelled]
    if not kept:
        raise InputError("No fold has a labelled row. Fill the manifest's `emotion`.")
    return kept


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
    taken = earlier != runs and any(has_begun(save_dir / run.folder) for run in earlier)
    if several and (single.is_file() or not earlier):  # best_model alone is the copy of the best of `earlier`
        taken = taken or has_begun(save_dir)
    if taken:
        there = f"{len(earlier)} runs ({earlier[0]}, ...)" if earlier else "a single run"
        wanted = f"{len(runs)} runs ({runs[0]}, ...)" if several else "a single run"
        raise OtherRun(
            f"{save_dir} holds {there}, and this is {wanted}. Choose another --save_dir, or --restart to delete what "
            "is there and begin anew."
        )
    (single if several else save_dir / RUNS).unlink(missing_ok=True)  # of a run that stopped before its first weights
