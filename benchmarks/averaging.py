"""The mean answer of several networks, and one network distilled from it, against a single network: the corpora, splits
and shipped settings of `simple_rivals.py`.

    single      a network per seed; each number is the mean over the seeds
    mean        one answer: the mean of their probabilities, each calibrated by its own temperature
    distilled   a network per seed, same rows and settings; its targets are half the label, half the mean of the
                networks' probabilities at temperature 2. They were trained on those rows themselves

Runs lie in WORK/<name>: a killed call goes on.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/averaging.py emorynlp
"""

import json
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, Measured, headline_numbers, keep, make_parser
from scipy.special import softmax
from simple_rivals import SPLITS, place, settings

from tricue.config.load import load_config, parse_overrides
from tricue.config.settings import Config
from tricue.data.manifest import write_manifest
from tricue.data.splits import split_utterances
from tricue.evaluation.evaluate import Evaluation, measure, open_trial, score_trial
from tricue.evaluation.several_runs import measure_all, run_model
from tricue.tasks.categorical import VOTES, VoteColumns
from tricue.training.runs import train_all
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import Utterance

RESULT = "averaging"
TEMPERATURE = 2.0
LABEL_SHARE = 0.5  # of a target; at least half, so that the likeliest class of a target is the label
COMPARED = ("weighted_f1", "accuracy", "macro_f1", "uar")


def soft_answers(models: Sequence[Path], rows: list[Utterance], workspace: Workspace) -> dict[str, np.ndarray]:
    """By id the mean of the models' probabilities (C,) at TEMPERATURE."""
    found = []
    for model in models:
        trial = replace(open_trial(model, workspace=workspace, split="train"), rows=rows, turns=rows)
        answers = score_trial(trial, trial.read_features(trial.usable(None), workspace), "cpu").answers
        raw = trial.card.task.before_calibration(answers, trial.card.calibration)
        assert raw is not None
        found.append(softmax(np.log(raw) / TEMPERATURE, axis=1))
    return dict(zip([row.id for row in rows], np.mean(found, axis=0), strict=True))


def distil(result: Evaluation, teachers: Sequence[Path], folder: Path, workspace: Workspace) -> dict[str, np.ndarray]:
    """By id the answers of a network that learned the rows of `result`, a trained run, from `teachers`."""
    card = result.card
    config, names = card.config, card.task.names
    parts = split_utterances(
        result.corpus.utterances, config.data, config.seed, need_val=config.training.select == "best"
    )
    parts = {"train": parts["train"], "val": parts["val"], "test": result.utterances}
    soft = soft_answers(teachers, [row for row in parts["train"] if row.label is not None], workspace)
    rows = []
    for split, own in parts.items():
        for row in own:
            hard = np.array([name == row.label for name in names], float)
            target = LABEL_SHARE * hard + (1 - LABEL_SHARE) * soft[row.id] if row.id in soft else hard
            rows.append(replace(row, split=split, label=tuple(target.tolist())))
    votes = [f"{VOTES}{name}" for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "soft.csv"
    write_manifest(rows, manifest, VoteColumns(tuple(votes)))
    data = config.data.model_copy(update={"protocol": "official", "fold": "", "val_from_train": 0.0})
    task = config.task.model_copy(update={"votes": votes})
    its = replace(workspace, manifest=manifest, data_dir=None)
    student = train(config.model_copy(update={"data": data, "task": task}), save_dir=folder / "run", workspace=its)
    scored = measure(student.best_model, split="test", workspace=its)
    return dict(zip([row.id for row in scored.utterances], scored.answers, strict=True))


def pooled(parts: Sequence[Mapping[str, np.ndarray]], rows: Sequence[Utterance]) -> np.ndarray:
    """(N, C) the answers of the folds of a seed, in the order of the rows."""
    known = {id_: own for part in parts for id_, own in part.items()}
    return np.stack([known[row.id] for row in rows])


def numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: own for name, own in headline_numbers(metrics).items() if name in COMPARED}


def compared(corpus: str, name: str, args: Namespace) -> dict[str, Any]:
    """Train, distil and compare on one corpus, in WORK/name."""
    started, work = time.monotonic(), args.work / name
    shipped, more = settings(corpus)
    config: Config = load_config(shipped, more | {"training.tensorboard": False} | parse_overrides(args.settings))
    workspace = Workspace(store=args.store or args.work / "features", quiet=True, **place(corpus, args.work))
    train_all(config, save_dir=work / "single", workspace=workspace, seeds=args.seeds)
    together = measure_all(work / "single", workspace=workspace, split=SPLITS[corpus])
    singles = list(together.pooled.values())
    first, answers = singles[0], [run.answers for run in singles]
    groups = Measured(singles)
    teachers: dict[str, list[Path]] = defaultdict(list)  # by fold
    for run, _ in together.measured:
        teachers[run.fold].append(run_model(work / "single", run))
    found = {"mean": [np.mean(answers, axis=0)]}
    if args.distil:
        by_seed: dict[int, list[dict[str, np.ndarray]]] = defaultdict(list)
        for run, result in together.measured:
            own = distil(result, teachers[run.fold], work / "distilled" / run.folder, workspace)
            by_seed[run.seed].append(own)
        found["distilled"] = [pooled(parts, first.utterances) for parts in by_seed.values()]

    def minus(form: str, rival: Sequence[np.ndarray]) -> dict[str, Any]:
        own = Measured([replace(first, answers=answer) for answer in found[form]]).difference(*rival)
        return {number: own[number] for number in COMPARED}

    return {
        "set": args.settings,
        "seeds": args.seeds,
        "n": len(first.utterances),
        "groups": together.metrics["groups"],
        "single": numbers(together.metrics),
        **{form: numbers(groups.score(own)) for form, own in found.items()},
        **{f"{form}_minus_single": minus(form, answers) for form in found},
        **{f"{form}_minus_mean": minus(form, found["mean"]) for form in found if form != "mean"},
        "minutes_of_this_call": round((time.monotonic() - started) / 60, 1),
    }


def main() -> None:
    parser = make_parser(__doc__, "runs/averaging", 3)
    parser.add_argument("corpora", nargs="+", choices=list(SPLITS))
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    parser.add_argument("--name", help="of the result of a single corpus; by default that of the corpus")
    parser.add_argument("--distil", action="store_true", help="the distilled networks, too: as many trainings again")
    args = parser.parse_args()
    for corpus in args.corpora:
        name = args.name or corpus
        own = compared(corpus, name, args)
        path = RESULTS / f"{RESULT}.json"
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        keep(RESULT, before | {name: own})


if __name__ == "__main__":
    main()
