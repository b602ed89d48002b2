"""A checkpoint, or all runs of a folder, on one split: metrics.json and predictions.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tricue.calibration import expected_calibration_error, uncalibrated
from tricue.checkpoint import Card, check_encoders, load_checkpoint
from tricue.config import Config, change_config
from tricue.data.corpora import Manifests, config_of, read_corpus, report
from tricue.data.corpus import Corpus
from tricue.device import choose_device
from tricue.evaluation.metrics import GroupKind, score
from tricue.evaluation.predictions import predict_utterances, with_notes, write_predictions
from tricue.evaluation.rows import deal, known_rows, labelled, split_name
from tricue.features.corruption import Corruption
from tricue.features.extract import FeatureSet, extract
from tricue.features.precomputed import located
from tricue.files import check_place
from tricue.json_files import write_json
from tricue.locks import locked
from tricue.model.network import Network
from tricue.types import CUES, Cue, InputError, Prediction, Split, Utterance

SCORES, LEAKY_SCORES = "metrics.json", "leaky.json"  # what no other score compares with has a file of its own


@dataclass(frozen=True)
class Evaluation:
    """What was measured, row by row of `utterances`."""

    metrics: dict[str, Any]
    title: str
    corpus: Corpus
    utterances: list[Utterance]
    predictions: list[Prediction]
    probabilities: np.ndarray  # (N, C); the training shares where no cue could be used
    card: Card
    config: Config  # how it was measured
    dealt: bool  # whether the rows are a split as the model's own protocol deals it
    features: FeatureSet = field(repr=False)  # what the network read of the rows
    turns: Sequence[Utterance] = field(
        repr=False
    )  # the whole split: what their text may have read as context
    scores: Path | None = None  # the file of the numbers, once it is written


def evaluate(model_path: Path, *, out: Path, **choices: Any) -> Evaluation:
    """`measure`, and its metrics.json (of a leaky model leaky.json) and predictions.csv in `out`."""
    check_place(out / SCORES)
    with locked(out):
        result = measure(model_path, **choices)
        report(result.corpus)
        metrics = result.metrics | {"predictions": [write_rows(out, result).name]}
        return replace(result, metrics=metrics, scores=write_scores(out, metrics))


def write_scores(out: Path, metrics: Mapping[str, Any]) -> Path:
    """The numbers in `out`; the file that holds them."""
    path = out / (SCORES if metrics["comparable"] else LEAKY_SCORES)
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, metrics)
    return path


def write_rows(out: Path, result: Evaluation) -> Path:
    """predictions.csv in `out`, with what `tricue compare` needs beside each prediction; the file."""
    path = out / "predictions.csv"
    rows = result.utterances
    more = {
        "label": [str(u.emotion) for u in rows],
        "dialogue": [u.dialogue or "" for u in rows],
        "speaker": [u.speaker or "" for u in rows],
    }
    write_predictions(path, result.predictions, result.card.emotions, more)
    return path


def measure(
    model_path: Path,
    *,
    store: Path,
    dataset: str | None = None,
    data_dir: Path | None = None,
    manifest: Manifests = None,
    split: str | None = None,
    cues: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Evaluation:
    """Score the labelled rows of `split`; none is dropped: one without a usable cue gets the training shares.

    split: "test" by default; under the leaky protocol "val". cues: those it may use, a subset of the network's.
    overrides: other places of the encoders, or how to measure (`features.<cue>.encoder`, `evaluation.*`). seed: of
    the intervals. Raises InputError where things do not fit together.
    """
    trial = open_trial(
        model_path, dataset=dataset, data_dir=data_dir, manifest=manifest, split=split, overrides=overrides, seed=seed
    )  # fmt: skip
    chosen = choose_device(device)
    return score_trial(trial, trial.read_features(trial.usable(cues), store, chosen, not quiet), chosen)


@dataclass(frozen=True)
class Trial:
    """A model, and the rows that it is to be scored on."""

    path: Path
    network: Network
    card: Card
    config: Config  # how it is measured
    corpus: Corpus
    split: Split
    turns: Sequence[Utterance]  # the whole split: what text may read as context
    rows: list[Utterance]  # those with a label
    dealt: bool  # as in Evaluation
    known: int  # rows that the model may know from its training
    chose: bool  # whether some of the rows chose its epochs

    def usable(self, cues: Sequence[str] | None) -> list[Cue]:
        """The model's cues, or those wanted of them. Raises InputError for others, and for encoders not its own."""
        used = usable_cues(self.network.cues, cues)
        check_encoders(self.card, self.config, used)
        return used

    def read_features(
        self, cues: Sequence[Cue], store: Path, device: str, progress: bool, damage: Corruption | None = None
    ) -> FeatureSet:
        """`extract` for the rows, as the model reads them."""
        return extract(
            list({row.id: row for row in self.rows}.values()),  # each once: the leaky protocol copies them
            located(self.config.features, self.corpus.folder),
            cues,
            store,
            live_text=self.config.finetunes_text,
            among=self.turns,
            damage=damage,
            device=device,
            progress=progress,
        )


def open_trial(
    model_path: Path,
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    manifest: Manifests = None,
    split: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Trial:
    """The first half of `measure`, whose arguments these are: all that is known before a feature is read."""
    network, card = load_checkpoint(model_path)
    config = reading_config(card, overrides or {}, dataset, seed)
    if manifest is not None and dataset is None:  # not the corpus that the model was trained on
        config = change_config(config, {"data.name": ""}, "the manifest")
    corpus = read_corpus(config, data_dir=data_dir, manifest=manifest)
    wanted = split_name(split or ("val" if card.leaky else "test"))
    parts, dealt = deal(corpus, card)
    rows = labelled(parts, corpus, card, wanted)
    known, chose = known_rows(rows, card, wanted)
    return Trial(model_path, network, card, config, corpus, wanted, parts[wanted], rows, dealt, known, chose)


def score_trial(trial: Trial, features: FeatureSet, device: str) -> Evaluation:
    """The second half of `measure`: what the model answers to `features` of the cues that it may use."""
    card, config, corpus, rows = trial.card, trial.config, trial.corpus, trial.rows
    answers = predict_utterances(
        trial.network.to(device), card, rows, features, config.evaluation.batch_size, device, corpus.faults
    )
    predictions = with_notes(answers, features.notes)
    probabilities = np.array([
        [p.probabilities[e] for e in card.emotions] if p.probabilities else card.class_shares for p in predictions
    ])  # fmt: skip
    metrics = score_rows(rows, [probabilities], card, config)
    metrics |= circumstances(card, corpus, trial.split, list(features.arrays), predictions, trial.path)
    role = _role(card, trial.split, trial.dealt, trial.chose)
    metrics |= {"split_role": role, "known_rows": trial.known}
    result = Evaluation(
        metrics, title(metrics), corpus, rows, predictions, probabilities, card, config, trial.dealt, features,
        trial.turns,
    )  # fmt: skip
    return replace(result, metrics=metrics | {"calibration": calibration([result])})


def score_rows(
    rows: Sequence[Utterance], runs: Sequence[np.ndarray], card: Card, config: Config
) -> dict[str, Any]:
    """`score` of labelled rows; where several corpora stand together, of each under `corpora` too.

    runs: (N, C) probabilities of each seed.
    """
    labels = np.array([card.emotions.index(str(u.emotion)) for u in rows])

    def scored(kept: np.ndarray) -> dict[str, Any]:
        groups, kind = grouping([rows[i] for i in kept])
        draws = config.evaluation.draws
        return score(labels[kept], [p[kept] for p in runs], card.emotions, groups, kind, draws, config.seed)

    metrics = scored(np.arange(len(rows)))
    corpora = sorted({u.corpus for u in rows if u.corpus is not None})
    if corpora:
        of = np.array([u.corpus for u in rows])
        metrics["corpora"] = {name: scored(np.flatnonzero(of == name)) for name in corpora}
    return metrics


def calibration(parts: Sequence[Evaluation]) -> dict[str, Any]:
    """ECE with the models' temperatures and without them, over the rows of all parts (the folds of a seed) at once: of
    few rows it is too high, and so is the mean of several such.

    Rows without a usable cue got shares, not answers, and do not count; `rows` says how many do. None: ECE of no rows.
    """
    answers, plain, labels = [], [], []
    for part in parts:
        answered = np.array([p.emotion is not None for p in part.predictions])
        answers.append(part.probabilities[answered])
        plain.append(uncalibrated(answers[-1], part.card.temperature))
        truth = np.array([part.card.emotions.index(str(u.emotion)) for u in part.utterances])
        labels.append(truth[answered])
    return {
        "temperature": float(np.mean([part.card.temperature for part in parts])),
        "rows": sum(map(len, labels)),
        "ece": _ece(answers, labels),
        "ece_uncalibrated": _ece(plain, labels),
    }


def _ece(probabilities: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> float | None:
    truth = np.concatenate(labels)
    return expected_calibration_error(np.concatenate(probabilities), truth) if len(truth) else None


def reading_config(
    card: Card, overrides: Mapping[str, Any], dataset: str | None = None, seed: int | None = None
) -> Config:
    """The checkpoint's settings, with what may differ when it is used: where encoders lie, how is measured."""
    for name in overrides:
        parts = name.split(".")
        place = parts[0] == "features" and parts[-1] in ("encoder", "precomputed")
        if not (name.startswith("evaluation.") or place):
            raise InputError(
                f"--set {name}: a trained model keeps its settings; only features.<cue>.encoder (another place of the "
                "same encoder), features.<cue>.precomputed (the file of these rows) and evaluation.* can be set here."
            )
    changed = dict(overrides)
    if dataset is not None:
        changed["data.name"] = config_of(dataset).data.name
    if seed is not None:
        changed["seed"] = seed
    return change_config(card.config, changed, "--set", flags=["seed"] if seed is not None else [])


def usable_cues(built: Sequence[Any], wanted: Sequence[str] | None) -> list[Any]:
    """The network's cues, or those wanted of them. Raises InputError for one it was not built for."""
    if wanted is None:
        return list(built)
    unknown = [cue for cue in wanted if cue not in built]
    if unknown or not wanted:
        raise InputError(f"--modalities {','.join(wanted)}: this model reads {', '.join(built)}.")
    return [cue for cue in CUES if cue in wanted]


def grouping(rows: Sequence[Utterance]) -> tuple[list[str] | None, GroupKind]:
    """What intervals resample: dialogues where all rows have one, else speakers, else rows."""
    if all(u.dialogue is not None for u in rows):
        return [str(u.dialogue) for u in rows], "dialogue"
    if all(u.speaker is not None for u in rows):
        return [str(u.speaker) for u in rows], "speaker"
    return None, "row"


def circumstances(
    card: Card,
    corpus: Corpus,
    split: Split,
    cues: Sequence[Cue],
    predictions: Sequence[Prediction],
    model: Path,
) -> dict[str, Any]:
    """What a reader must know beside the numbers."""
    return {
        "protocol": card.config.data.protocol,
        "comparable": not card.leaky,
        "mark": card.note,
        "audit": card.audit,
        "modalities": list(cues),
        "corpus": corpus.name,
        "split": split,
        "split_role": split,
        "encoders": {cue: _source(card.config, cue) for cue in cues},
        "tuned": {cue: told for cue, told in card.tuned.items() if cue in cues},
        "coverage": {cue: sum(cue in p.cues for p in predictions) for cue in cues},
        "without_any_cue": sum(p.emotion is None for p in predictions),
        "class_shares": card.class_shares,
        "toy": card.toy,
        "model": {
            "path": str(model),
            "phase": card.phase,
            "epoch": card.epoch,
            "fold": card.config.data.fold or None,
            "trained_on": card.trained_on,
            "weights_sha256": card.weights_sha256,
        },
    }


def _source(config: Config, cue: Cue) -> str:
    """What the features of a cue came from, by name."""
    settings = getattr(config.features, cue)
    return f"precomputed: {Path(settings.precomputed).name}" if settings.precomputed else settings.encoder


def _role(card: Card, split: Split, dealt: bool, chose: bool) -> str:
    """What the scores of this split are worth. chose: whether its rows chose the epochs."""
    if split == "train":
        return "train: seen in training, says nothing of quality"
    if card.leaky and dealt and split == "val":
        return "val: most of its rows have copies in train"
    if split == "test":
        fold = card.config.data.fold
        return f"test: {fold} left out" if fold and dealt else "test"
    if chose:
        return "val: chose the epochs, so its scores are too good"
    return "val standing in for test: never read in training"


def title(metrics: Mapping[str, Any]) -> str:
    """One line over a table of the numbers."""
    mark = f"{metrics['mark']}; " if metrics["mark"] else ""
    return (
        f"{metrics['corpus']} {metrics['split']} ({mark}{metrics['split_role']}; protocol {metrics['protocol']}; "
        f"cues {'+'.join(metrics['modalities'])})"
    )
