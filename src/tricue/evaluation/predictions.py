"""From logits to predictions, and predictions as a table: rows in = rows out, in order."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from tricue.checkpoint import Card
from tricue.features.extract import FeatureSet
from tricue.files import check_place, replaced_file
from tricue.inference import Predictor, read_logits
from tricue.spreadsheet import guarded
from tricue.training.batches import gather_examples
from tricue.types import UNCERTAIN, Cue, Fault, InputError, Prediction, Utterance

_LOG = logging.getLogger(__name__)
More = Mapping[str, Sequence[str]]  # further columns


def predict_utterances(
    network: Predictor,
    card: Card,
    utterances: Sequence[Utterance],
    features: FeatureSet,
    batch_size: int,
    device: str,
    faults: Iterable[Fault] = (),
) -> list[Prediction]:
    """One prediction per utterance, in order; one without a usable cue has no emotion and says why.

    Raises InputError for features of other widths than the network was trained on.
    faults: of the reader, beside those of the features.
    """
    for cue, dims in features.dims.items():
        if sum(dims) != sum(card.dims[cue]):
            source = "precomputed" if cue in card.config.features.precomputed_cues() else "encoder"
            raise InputError(
                f"features.{cue}.{source} gives vectors of {sum(dims)} numbers, but this model was trained on "
                f"{sum(card.dims[cue])}: name what it was trained with."
            )
    examples = gather_examples(utterances, features.arrays, None)
    row_of = {u.id: i for i, u in enumerate(examples.utterances)}
    probabilities = torch.empty(0, len(card.emotions))
    if len(examples):
        logits = read_logits(network, examples, batch_size, device)
        probabilities = (logits.double() / card.temperature).softmax(dim=-1)
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in [*faults, *features.faults]:
        reasons[fault.id].append(f"{fault.cue}: {fault.reason}")
    predictions = []
    for utterance in utterances:
        error = "; ".join(reasons[utterance.id]) or None
        row = row_of.get(utterance.id)
        if row is None:
            nothing = f"no {', '.join(features.arrays)} to go by"
            predictions.append(Prediction(utterance.id, None, None, {}, (), error or nothing, card.note))
            continue
        cues: tuple[Cue, ...] = tuple(cue for cue in features.arrays if utterance.id in features.arrays[cue])
        chances = dict(zip(card.emotions, probabilities[row].tolist(), strict=True))
        emotion = max(chances, key=chances.__getitem__)
        predictions.append(
            Prediction(utterance.id, emotion, chances[emotion], chances, cues, error, card.note)
        )
    return predictions


def abstained(predictions: Sequence[Prediction], least: float | None) -> list[Prediction]:
    """Answers less sure than `least` become "uncertain"; their probabilities stay. None: as they are.

    Raises InputError where `least` is no probability.
    """
    if least is None:
        return list(predictions)
    if not 0.0 <= least <= 1.0:
        raise InputError(f"--abstain {least}: a probability from 0 to 1 is wanted.")
    return [
        replace(p, emotion=UNCERTAIN) if p.confidence is not None and p.confidence < least else p
        for p in predictions
    ]


def is_failed(prediction: Prediction) -> bool:
    """Whether nothing of a row could be read; a row without one cue of several is answered all the same."""
    return prediction.emotion is None and prediction.error is not None


def with_notes(predictions: Sequence[Prediction], notes: Iterable[Fault]) -> list[Prediction]:
    """The predictions with what is peculiar about their cues (cut, damaged) behind what is known of the model."""
    told: dict[str, list[str]] = defaultdict(list)
    for note in notes:
        told[note.id].append(f"{note.cue}: {note.reason}")
    return [
        replace(p, note="; ".join(filter(None, [p.note, *told[p.id]]))) if p.id in told else p
        for p in predictions
    ]


def check_table(path: Path) -> None:
    """Raise InputError where predictions cannot be written to `path`: to be known before the work."""
    check_place(path)
    check_place(unfinished(path))
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path}: predictions are written as {', '.join(WRITERS)}; give such an ending.")


def unfinished(path: Path) -> Path:
    """Where rows lie until all of them are there: `answers.part.csv` beside `answers.csv`; of JSON a line per row."""
    return path.with_name(f"{path.stem}.part{'.csv' if path.suffix.lower() == '.csv' else '.jsonl'}")


@contextmanager
def growing_table(
    path: Path, emotions: Sequence[str]
) -> Iterator[Callable[[Sequence[Prediction], More], None]]:
    """Gives what takes the next rows: they are in `unfinished(path)` at once, and in `path` at the end, in one step.

    A kill or an error leaves the rows so far, and `path` as it was.
    """
    part = unfinished(path)
    known: list[Prediction] = []
    columns: dict[str, list[str]] = defaultdict(list)

    def add(predictions: Sequence[Prediction], more: More) -> None:
        if path.suffix.lower() == ".csv":
            rows = _csv(predictions, emotions, more, head=not known, notes=True)
        else:
            rows = json_lines(predictions, emotions, more)
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("a" if known else "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(rows)
        known.extend(predictions)
        for name, column in more.items():
            columns[name] += column

    try:
        yield add
    except BaseException:
        if known:
            _LOG.warning("Stopped: the first %d rows are in %s", len(known), part)
        raise
    write_predictions(path, known, emotions, columns)
    part.unlink(missing_ok=True)


def write_predictions(
    path: Path,
    predictions: Sequence[Prediction],
    emotions: Sequence[str],
    more: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """`id, emotion, confidence, p_<class>..., cues, error`, a `note` if any, the columns of `more`: CSV; JSON or JSON
    Lines by the ending of `path`."""
    written = WRITERS[path.suffix.lower()](predictions, emotions, dict(more or {}))
    with replaced_file(path) as part:
        part.write_text(
            written, encoding="utf-8", errors="replace", newline=""
        )  # half a surrogate is no text


def as_json(prediction: Prediction) -> dict[str, Any]:
    """One answer as JSON tells it."""
    return {**asdict(prediction), "cues": list(prediction.cues)}


def _csv(
    predictions: Sequence[Prediction],
    emotions: Sequence[str],
    more: More,
    *,
    head: bool = True,
    notes: bool = False,
) -> str:
    """head: with the names of the columns. notes: with a column `note` even where there is none."""
    if notes or any(p.note for p in predictions):
        more = {"note": [p.note or "" for p in predictions], **more}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    if head:
        names = ["id", "emotion", "confidence", *(f"p_{e}" for e in emotions), "cues", "error", *more]
        writer.writerow(names)
    for i, p in enumerate(predictions):
        chances = [f"{p.probabilities[e]:.6f}" if p.probabilities else "" for e in emotions]
        confidence = "" if p.confidence is None else f"{p.confidence:.6f}"
        writer.writerow([
            guarded(p.id), guarded(p.emotion or ""), confidence, *chances, "+".join(p.cues), guarded(p.error or ""),
            *(guarded(more[m][i]) for m in more),
        ])  # fmt: skip
    return buffer.getvalue()


def _rows(predictions: Sequence[Prediction], more: More) -> list[dict[str, Any]]:
    return [
        as_json(p) | {name: column[i] for name, column in more.items()} for i, p in enumerate(predictions)
    ]


def _json(predictions: Sequence[Prediction], emotions: Sequence[str], more: More) -> str:
    return json.dumps(_rows(predictions, more), indent=2, ensure_ascii=False) + "\n"


def json_lines(predictions: Sequence[Prediction], emotions: Sequence[str], more: More) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(predictions, more))


WRITERS: dict[str, Callable[[Sequence[Prediction], Sequence[str], More], str]] = {
    ".csv": _csv, ".json": _json, ".jsonl": json_lines,
}  # fmt: skip
