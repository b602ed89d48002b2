"""The network beside its simplest rivals: logistic regression and an MLP of 64 units on the mean and deviation of the
same features, fitted on the same rows (`evaluation.baseline`), compared on the same test rows.

    ravdess    voice and action units, 5 folds over 20 speakers; speakers 1-16 had fixed settings of an earlier network
    crema-d    voice, not adapted to speakers; train 1001-1063, fixed epochs; val, speakers 1064-1076, is the test part
    meld       text, frozen MiniLM; a tenth of train's dialogues chooses the epochs, dev is the test part
    emorynlp   the settings of meld, untouched; val is the test part

Beside each network stands itself with the steps of each row shuffled; beside those of text an MLP of 128 units on mean
and maximum of the last layer's vectors, too.

Runs lie in WORK/<corpus>: a killed call goes on.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/simple_rivals.py ravdess
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, make_parser, shared
from sklearn.preprocessing import StandardScaler

from tricue.baseline.baselines import task_answers
from tricue.baseline.models import outputs_of, perceptron
from tricue.config.load import change_config, load_config, parse_overrides
from tricue.data.manifest import read_manifest, write_manifest
from tricue.evaluation.evaluate import Evaluation, baseline_metrics, score_trial, with_baselines, write_evaluation
from tricue.evaluation.several_runs import measure_all, write_together
from tricue.evaluation.trial import Trial, open_trial
from tricue.tasks.task import make_task
from tricue.training.runs import train_all
from tricue.training.train import read_features, settle
from tricue.training.workspace import Workspace
from tricue.types import Utterance

KEPT = ("headline", "accuracy", "macro_f1", "uar", "baselines", "n", "interval", "groups", "seeds", "split_role")
SHUFFLED = "the network, steps shuffled"
SPLITS = {"ravdess": None, "crema-d": "val", "meld": "dev", "emorynlp": "val"}


def settings(corpus: str) -> tuple[str, dict[str, Any]]:
    """The shipped config, and what is set on top of it."""
    if corpus in ("ravdess", "crema-d"):
        voice = {"features.audio.encoder": str(shared("models/whisper-tiny-en"))}
        if corpus == "crema-d":
            return corpus, voice | {"modalities": ["audio"], "speaker.adaptation": "off"}
        units = {"features.video.precomputed": str(shared("data/ravdess") / "face_action_units.npz")}
        return corpus, voice | units | {"data.protocol": "kfold-speaker", "training.select": "last"}
    text = {
        "modalities": ["text"],
        "features.text.encoder": str(shared("models/minilm-l6")),
        "data.val_from_train": 0.1,
    }
    return "meld", text | ({"data.name": "", "data.emotions": []} if corpus == "emorynlp" else {})


def place(corpus: str, work: Path) -> dict[str, Any]:
    """Where the corpus lies, as `Workspace` takes it."""
    if corpus == "meld":
        return {"data_dir": shared("data/meld")}
    if corpus == "crema-d":
        return {"manifest": shared("data/crema_d") / "labels.csv"}
    work.mkdir(parents=True, exist_ok=True)
    manifest = work / f"{corpus}.csv"
    if corpus == "emorynlp":
        parts = [shared(f"data/emorynlp/{split}.csv") for split in ("train", "val")]
        write_manifest([row for part in parts for row in read_manifest(part)], manifest)
    else:  # without text and splits: the protocol deals them
        source = read_manifest(shared("data/ravdess") / "labels.csv")
        rows = [Utterance(u.id, audio=u.audio, label=u.label, speaker=u.speaker) for u in source]
        write_manifest(rows, manifest)
    return {"manifest": manifest}


def with_rivals(model: Path, *, workspace: Workspace, **choices: Any) -> Evaluation:
    """What `measure` gives, and the two rivals that no checkpoint holds."""
    trial = open_trial(model, workspace=workspace, **choices)
    result = with_baselines(score_trial(trial, trial.read_features(trial.usable(None), workspace), "cpu"))
    answers = {SHUFFLED: without_order(trial, result)}
    if result.config.modalities == ["text"]:
        answers["MLP of 128 units"] = wide_mlp(result, workspace)
    result = replace(result, baselines={**result.baselines, **answers})
    return replace(result, metrics=result.metrics | baseline_metrics([result]))


def without_order(trial: Trial, result: Evaluation) -> np.ndarray:
    """What the network answers to the same rows with the steps of each modality in another order."""
    random = np.random.default_rng(result.config.seed)
    arrays = {
        modality: {id_: random.permutation(steps) for id_, steps in own.items()}
        for modality, own in result.features.arrays.items()
    }
    return score_trial(trial, replace(result.features, arrays=arrays), "cpu").answers


def wide_mlp(result: Evaluation, workspace: Workspace) -> np.ndarray:
    """Answers of an MLP with as many updates and the same weights of classes as the small one."""
    config = change_config(result.card.config, {"features.text.layer": -1}, "the rival")
    config, splits = settle(config, result.corpus)
    parts = {"train": splits["train"], "val": result.utterances}
    vectors = read_features(config, result.corpus, parts, workspace).arrays["text"]
    fit, test = (
        np.stack([np.concatenate([own.mean(axis=0), own.max(axis=0)]) for own in (vectors[u.id] for u in rows)])
        for rows in (parts["train"], parts["val"])
    )
    task = make_task(config)
    targets = task.encode([u.label for u in parts["train"]])
    weights = task.objective(targets, config.training).weights.numpy()
    scaler = StandardScaler().fit(fit)
    layers = perceptron(scaler.transform(fit), targets, task.kind, task.outputs, config.seed, weights, units=128)
    return task_answers(task, outputs_of(layers, scaler.transform(test)), None, result.card.prior)


def same_answers(runs: Iterable[Evaluation]) -> float:
    """Share of the rows that the network answers alike in order and shuffled; mean over the runs."""
    return float(np.mean([(run.answers.argmax(1) == run.baselines[SHUFFLED].argmax(1)).mean() for run in runs]))


def main() -> None:
    parser = make_parser(__doc__, "runs/simple_rivals", 3)
    parser.add_argument("corpus", choices=list(SPLITS))
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    parser.add_argument("--name", help="of the result; by default that of the corpus")
    args = parser.parse_args()
    started, name = time.monotonic(), args.name or args.corpus
    shipped, more = settings(args.corpus)
    config = load_config(shipped, more | {"training.tensorboard": False} | parse_overrides(args.settings))
    workspace = Workspace(store=args.store or args.work / "features", quiet=True, **place(args.corpus, args.work))
    folder = args.work / name
    results = train_all(config, save_dir=folder, workspace=workspace, seeds=args.seeds)
    choices, out = {"workspace": workspace, "split": SPLITS[args.corpus]}, folder / "results"
    if len(results) > 1:
        together = measure_all(folder, of_run=with_rivals, **choices)
        metrics, runs = write_together(out, together).metrics, list(together.pooled.values())
    else:
        runs = [with_rivals(results[0].best_model, **choices)]
        metrics = write_evaluation(out, runs[0]).metrics
    keep(f"simple_rivals_{name}", {
        "what": f"{args.corpus}, configs/{shipped}.yaml",
        "set": args.settings,
        **{key: metrics[key] for key in KEPT if key in metrics},
        "same_answers_shuffled": round(same_answers(runs), 4),
        "phase_and_epoch": [[result.card.phase, result.card.epoch + 1] for result in results],
        "minutes_of_this_call": round((time.monotonic() - started) / 60, 1),
    })  # fmt: skip


if __name__ == "__main__":
    main()
