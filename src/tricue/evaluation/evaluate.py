"""The scores of one checkpoint on one split: metrics.json and predictions.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tricue.adaptation.contexts import MARKS
from tricue.baseline.baselines import Baselines
from tricue.baseline.group_score import group_score
from tricue.baseline.label_probe import LabelProbe
from tricue.checkpoint.checkpoint import Card
from tricue.config.settings import Config
from tricue.corpora.catalogue import report
from tricue.data.corpus import Corpus
from tricue.device import choose_device
from tricue.evaluation.baseline_scores import NONE, compare_with_baselines
from tricue.evaluation.trial import Trial, open_trial
from tricue.features.feature_set import FeatureSet
from tricue.files.atomic import check_place
from tricue.files.json_files import write_json
from tricue.files.locks import locked
from tricue.metrics.grouped_intervals import GroupKind
from tricue.prediction.inference import Reader, read_logits
from tricue.prediction.predictions import predict_utterances, with_notes, write_predictions
from tricue.tasks.task import Part, with_headline
from tricue.training.workspace import Workspace
from tricue.types import ModalityName, Prediction, Split, Utterance

SCORES, LEAKY_SCORES = "metrics.json", "leaky.json"  # what no other score compares with has a file of its own


@dataclass(frozen=True)
class Evaluation:
    """What was measured, row by row of `utterances`."""

    metrics: dict[str, Any]
    title: str
    corpus: Corpus
    utterances: list[Utterance]
    predictions: list[Prediction]
    answers: np.ndarray  # (N, ...) as `Task.answers`: probabilities (N, C); the prior where no modality could be used
    card: Card
    config: Config  # how it was measured
    dealt: bool  # whether the rows are a split as the model's own protocol deals it
    features: FeatureSet = field(repr=False)  # what the network read of the rows
    turns: Sequence[Utterance] = field(repr=False)  # the whole split: what their text may have read as context
    scores: Path | None = None  # the file of the numbers, once it is written
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)  # `answers` of each, by its name


def evaluate(model_path: Path, *, out: Path, **choices: Any) -> Evaluation:
    """`measure`, and its metrics.json (of a leaky model leaky.json) and predictions.csv in `out`."""
    check_place(out / SCORES)
    with locked(out):
        return write_evaluation(out, measure(model_path, **choices))


def write_evaluation(out: Path, result: Evaluation) -> Evaluation:
    """Its numbers and its rows in `out`; what was found in the corpus is logged."""
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
    labels = [result.card.task.label_cells(row.label) for row in rows]
    more = {name: [cells[name] for cells in labels] for name in labels[0]} | {
        "dialogue": [u.dialogue or "" for u in rows],
        "speaker": [u.speaker or "" for u in rows],
    }
    write_predictions(path, result.predictions, result.card.task, more)
    return path


def measure(
    model_path: Path, *, workspace: Workspace, modalities: Sequence[str] | None = None, **choices: Any
) -> Evaluation:
    """Score the labelled rows of a split; none is dropped: one without a usable modality gets the prior of training.

    modalities: those it may use, a subset of the network's. choices: of `open_trial`. Raises InputError where things do
    not fit together.
    """
    trial = open_trial(model_path, workspace=workspace, **choices)
    features = trial.read_features(trial.usable(modalities), workspace)
    return with_baselines(score_trial(trial, features, choose_device(workspace.device)))


def score_trial(trial: Trial, features: FeatureSet, device: str, read: Reader = read_logits) -> Evaluation:
    """What the model answers to `features` of the modalities that it may use. read: of `predict_utterances`."""
    card, config, corpus, rows = trial.card, trial.config, trial.corpus, trial.rows
    answers = predict_utterances(
        trial.network.to(device), card, rows, features, config.evaluation.batch_size, device, corpus.faults, read,
        trial.adaptation,
    )  # fmt: skip
    predictions = with_notes(answers, features.notes)
    answered = card.task.answers(predictions, card.prior)
    metrics = score_rows(rows, [answered], card)
    metrics |= circumstances(card, corpus, trial.split, list(features.arrays), predictions, trial.path)
    role = _role(card, trial.split, trial.dealt, trial.chose)
    adapted = _adapted(trial, predictions)
    metrics |= {"split_role": with_adaptation(role, adapted), "known_rows": trial.known, "speaker_adaptation": adapted}
    result = Evaluation(
        metrics, title(metrics), corpus, rows, predictions, answered, card, config, trial.dealt, features,
        trial.turns,
    )  # fmt: skip
    return replace(result, metrics=metrics | calibration([result]))


def _adapted(trial: Trial, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """`speaker_adaptation` of metrics.json: its form, and to how many other clips of the speaker; `off` where there
    were none."""
    counts = [p.adapted_from for p in predictions if p.adapted_from is not None]
    if trial.adaptation is None or not any(counts):
        return {"form": "off"}
    clips = {"median": float(np.median(counts)), "least": min(counts), "most": max(counts)}
    return {"form": trial.adaptation.form, "transductive": trial.adaptation.form == "all", "clips": clips}


def with_adaptation(role: str, adapted: Mapping[str, Any]) -> str:
    """What the scores of a split are worth, with the adaptation of its answers: both stand wherever a score does."""
    return role if adapted["form"] == "off" else f"{role}; {MARKS[adapted['form']]}"


def with_baselines(result: Evaluation) -> Evaluation:
    """The model's baselines scored beside it, and what its linear one tells of the features."""
    if not result.config.evaluation.baseline:
        return result
    found, card = result.card.baselines, result.card
    if found is None:
        return replace(result, metrics=result.metrics | {"baselines": [], "baselines_note": NONE})
    answers = found.answers(card.task, result.utterances, result.features.arrays, card.prior)
    result = replace(result, baselines=answers)
    own = {"baselines_note": "; ".join(found.notes) or None, "label_probe": _label_probe(result, found)}
    return replace(result, metrics=result.metrics | baseline_metrics([result]) | own)


def baseline_metrics(runs: Sequence[Evaluation]) -> dict[str, Any]:
    """`baselines` of metrics.json, where all runs, on the same rows, have some."""
    first, *others = runs
    names = [name for name in first.baselines if all(name in run.baselines for run in others)]
    if not names:
        return {}
    groups, kind = grouping(first.utterances)
    found = compare_with_baselines(
        first.card.task, targets_of(first.utterances, first.card), [run.answers for run in runs],
        {name: [run.baselines[name] for run in runs] for name in names},
        groups, kind,
    )  # fmt: skip
    return {"baselines": found}


def _label_probe(result: Evaluation, found: Baselines) -> dict[str, Any] | None:
    """None on rows of the training part, and on another corpus: there a score may well be lower."""
    card, rows = result.card, result.utterances
    is_own = result.dealt and result.corpus.name == (card.trained_on or {}).get("name")
    if found.left_out is None or not is_own or result.metrics["split"] == "train" or card.leaky:
        return None
    if not found.pooling.widths.keys() <= result.features.arrays.keys():  # fewer modalities than in training
        return None
    scored = group_score(card.task, rows, targets_of(rows, card), result.baselines[found.models[1].name])
    return None if scored is None else LabelProbe(found.left_out, scored).as_json()


def score_rows(rows: Sequence[Utterance], runs: Sequence[np.ndarray], card: Card) -> dict[str, Any]:
    """`Task.score` of labelled rows; where several corpora stand together, of each under `corpora` too.

    runs: `Task.answers` of each seed.
    """
    task, targets = card.task, targets_of(rows, card)

    def scored(kept: np.ndarray) -> dict[str, Any]:
        groups, kind = grouping([rows[i] for i in kept])
        return with_headline(task, task.score(targets[kept], [run[kept] for run in runs], groups, kind))

    metrics = scored(np.arange(len(rows)))
    corpora = sorted({u.corpus for u in rows if u.corpus is not None})
    if corpora:
        of = np.array([u.corpus for u in rows])
        metrics["corpora"] = {name: scored(np.flatnonzero(of == name)) for name in corpora}
    return metrics


def targets_of(rows: Sequence[Utterance], card: Card) -> np.ndarray:
    """The encoded labels of labelled rows."""
    return card.task.encode([row.label for row in rows if row.label is not None])


def calibration(parts: Sequence[Evaluation]) -> dict[str, Any]:
    """`calibration` of metrics.json, where the task measures it: over the rows of all parts (the folds of a seed) at
    once, for of few rows it is too high, and so is the mean of several such.

    Rows without a usable modality got shares, not answers, and do not count; `rows` says how many do.
    """
    given = []
    for part in parts:
        answered = np.array([p.label is not None for p in part.predictions])
        targets = targets_of(part.utterances, part.card)
        given.append(Part(part.answers[answered], targets[answered], part.card.calibration))
    found = parts[0].card.task.calibration_report(given)
    return {} if found is None else {"calibration": found}


def grouping(rows: Sequence[Utterance]) -> tuple[list[str] | None, GroupKind]:
    """What intervals leave out in turn: dialogues where all rows have one, else speakers, else rows."""
    if all(u.dialogue is not None for u in rows):
        return [str(u.dialogue) for u in rows], "dialogue"
    if all(u.speaker is not None for u in rows):
        return [str(u.speaker) for u in rows], "speaker"
    return None, "row"


def circumstances(
    card: Card,
    corpus: Corpus,
    split: Split,
    modalities: Sequence[ModalityName],
    predictions: Sequence[Prediction],
    model: Path,
) -> dict[str, Any]:
    """What a reader must know beside the numbers."""
    return {
        "protocol": card.config.data.protocol,
        "comparable": not card.leaky,
        "mark": card.note,
        "audit": card.audit,
        "modalities": list(modalities),
        "corpus": corpus.name,
        "split": split,
        "split_role": split,
        "encoders": {modality: _source(card.config, modality) for modality in modalities},
        "tuned": {modality: told for modality, told in card.tuned.items() if modality in modalities},
        "coverage": {modality: sum(modality in p.modalities for p in predictions) for modality in modalities},
        "without_any_modality": sum(p.label is None for p in predictions),
        "class_shares" if card.task.priors_are_shares else "prior": card.prior,
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


def _source(config: Config, modality: ModalityName) -> str:
    """What the features of a modality came from, by name."""
    settings = config.features[modality]
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
        f"modalities {'+'.join(metrics['modalities'])})"
    )
