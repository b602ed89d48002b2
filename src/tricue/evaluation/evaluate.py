"""A checkpoint on one split: metrics.json and predictions.csv."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tricue.checkpoint import TOY_MARK, Card, check_encoders, load_checkpoint
from tricue.config import Config, change_config
from tricue.data.corpora import config_of, read_corpus, report
from tricue.data.corpus import Corpus
from tricue.data.manifest import SPLIT_NAMES
from tricue.device import choose_device
from tricue.evaluation.metrics import GroupKind, score
from tricue.evaluation.predictions import predict_utterances, write_predictions
from tricue.features.extract import extract
from tricue.files import check_place, write_json
from tricue.types import CUES, InputError, Prediction, Split, Utterance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What was measured, row by row of `utterances`."""

    metrics: dict[str, Any]
    title: str
    corpus: Corpus
    utterances: list[Utterance]
    predictions: list[Prediction]
    probabilities: np.ndarray  # (N, C); the training shares where no cue could be used


def evaluate(model_path: Path, *, out: Path, **choices: Any) -> Evaluation:
    """`measure`, and its metrics.json and predictions.csv in `out`."""
    check_place(out / "metrics.json")
    result = measure(model_path, **choices)
    report(result.corpus)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "metrics.json", result.metrics)
    labels = {"label": [str(u.emotion) for u in result.utterances]}
    write_predictions(out / "predictions.csv", result.predictions, list(result.metrics["per_class"]), labels)
    return result


def measure(
    model_path: Path,
    *,
    store: Path,
    dataset: str | None = None,
    data_dir: Path | None = None,
    manifest: Path | None = None,
    split: str = "test",
    cues: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Evaluation:
    """Score the labelled rows of `split`; none is dropped: one without a usable cue gets the training shares.

    cues: those it may use, a subset of the network's. overrides: other places of the encoders, or how to
    measure (`features.<cue>.encoder`, `evaluation.*`). Raises InputError where things do not fit together.
    """
    network, card = load_checkpoint(model_path)
    config = reading_config(card, overrides or {}, dataset, seed)
    if manifest is not None and dataset is None:  # not the corpus that the model was trained on
        config = change_config(config, {"data.name": Path(manifest).stem}, "the manifest")
    corpus = read_corpus(config, data_dir=data_dir, manifest=manifest)
    rows = _rows_of(corpus, split, card.emotions)
    used = usable_cues(network.cues, cues)
    check_encoders(card, config, used)
    chosen = choose_device(device)
    features = extract(
        rows, config.features, used, store, live_text=config.finetunes_text, device=chosen, progress=not quiet
    )
    predictions = predict_utterances(
        network.to(chosen), card, rows, features, config.evaluation.batch_size, chosen, corpus.faults
    )
    probabilities = np.array([
        [p.probabilities[e] for e in card.emotions] if p.probabilities else card.class_shares for p in predictions
    ])  # fmt: skip
    labels = np.array([card.emotions.index(str(u.emotion)) for u in rows])
    groups, kind = grouping(rows)
    metrics = score(labels, probabilities, card.emotions, groups, kind, config.evaluation.draws, config.seed)
    metrics |= _circumstances(card, corpus, SPLIT_NAMES[split.lower()], used, predictions, model_path)
    return Evaluation(metrics, _title(metrics), corpus, rows, predictions, probabilities)


def reading_config(
    card: Card, overrides: Mapping[str, Any], dataset: str | None = None, seed: int | None = None
) -> Config:
    """The checkpoint's settings, with what may differ when it is used: where encoders lie, how is measured."""
    for name in overrides:
        parts = name.split(".")
        if not (name.startswith("evaluation.") or (parts[0] == "features" and parts[-1] == "encoder")):
            raise InputError(
                f"--set {name}: a trained model keeps its settings; only features.<cue>.encoder (another place "
                "of the same encoder) and evaluation.* can be set here."
            )
    changed = dict(overrides)
    if dataset is not None:
        changed["data.name"] = config_of(dataset).data.name
    if seed is not None:
        changed["seed"] = seed
    return change_config(card.config, changed, "the checkpoint and the command line")


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


def _rows_of(corpus: Corpus, split: str, emotions: Sequence[str]) -> list[Utterance]:
    if split.lower() not in SPLIT_NAMES:
        raise InputError(f"--split {split}: use one of {', '.join(SPLIT_NAMES)}.")
    wanted: Split = SPLIT_NAMES[split.lower()]
    rows = [u for u in corpus.utterances if u.split == wanted and u.emotion is not None]
    if not rows:
        counts = {name: sum(u.split == name for u in corpus.utterances) for name in ("train", "val", "test")}
        there = ", ".join(f"{name} {n}" for name, n in counts.items() if n) or "no row with a split"
        raise InputError(
            f"{corpus.name} has no labelled {wanted} rows (it has: {there}). Choose another --split."
        )
    unknown = sorted({str(u.emotion) for u in rows} - set(emotions))
    if unknown:
        raise InputError(
            f"{corpus.name} has the emotions {', '.join(unknown)}, which this model does not know "
            f"({', '.join(emotions)}). Map them in the manifest."
        )
    return rows


def _circumstances(
    card: Card,
    corpus: Corpus,
    split: Split,
    cues: Sequence[str],
    predictions: Sequence[Prediction],
    model: Path,
) -> dict[str, Any]:
    """What a reader must know beside the numbers."""
    return {
        "protocol": card.config.data.protocol,
        "audit": None,  # brought by the leakage audit
        "modalities": list(cues),
        "corpus": corpus.name,
        "split": split,
        "split_role": _role(card, split),
        "coverage": {cue: sum(cue in p.cues for p in predictions) for cue in cues},
        "without_any_cue": sum(p.emotion is None for p in predictions),
        "toy": card.toy,
        "model": {
            "path": str(model),
            "phase": card.phase,
            "epoch": card.epoch,
            "trained_on": card.trained_on,
        },
    }


def _role(card: Card, split: Split) -> str:
    data, training = card.config.data, card.config.training
    if split == "test":
        return "test"
    if split == "train":
        return "train: seen in training, says nothing of quality"
    if data.val_from_train or training.select == "last":
        return "val standing in for test: never read in training"
    return "val: chose the epochs, so its scores are too good"


def _title(metrics: Mapping[str, Any]) -> str:
    toy = f"{TOY_MARK}; " if metrics["toy"] else ""
    return (
        f"{metrics['corpus']} {metrics['split']} ({toy}{metrics['split_role']}; protocol {metrics['protocol']}; "
        f"cues {'+'.join(metrics['modalities'])})"
    )
