"""From outputs to predictions, and predictions as a table: rows in = rows out, in order."""

import csv
import io
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from tricue.checkpoint.checkpoint import Card
from tricue.features.feature_set import FeatureSet
from tricue.files.atomic import check_place, replaced_file
from tricue.files.spreadsheet import guarded
from tricue.model.network import Network
from tricue.prediction.adapted import Adaptation
from tricue.prediction.batches import gather_examples
from tricue.prediction.inference import Predictor, Reader, read_logits
from tricue.tasks.task import Task
from tricue.types import UNCERTAIN, Fault, InputError, ModalityName, Prediction, Utterance

_LOG = logging.getLogger(__name__)
ADAPTED = "adapted_from"  # column and field: other clips of the speaker
More = Mapping[str, Sequence[str]]  # further columns


def predict_utterances(
    network: Predictor,
    card: Card,
    utterances: Sequence[Utterance],
    features: FeatureSet,
    batch_size: int,
    device: str,
    faults: Iterable[Fault] = (),
    read: Reader = read_logits,
    adaptation: Adaptation | None = None,
) -> list[Prediction]:
    """One prediction per utterance, in order; one without a usable modality has no label and says why.

    Args:
        network, card, utterances, features, batch_size, device: What answers, and what is read of the utterances.
        faults: Of the reader, beside those of the features.
        read: `read_logits`, or what looks at more of the same pass.
        adaptation: How answers are adapted to the speakers of the utterances. None: they are not.

    Raises:
        InputError: Features of other widths than the network was trained on; as `Adaptation.adapt`.
    """
    for modality, dims in features.dims.items():
        if sum(dims) != sum(card.dims[modality]):
            source = "precomputed" if modality in card.config.features.precomputed_modalities() else "encoder"
            raise InputError(
                f"features.{modality}.{source} gives vectors of {sum(dims)} numbers, but this model was trained on "
                f"{sum(card.dims[modality])}: name what it was trained with."
            )
    examples = gather_examples(utterances, features.arrays, None)
    row_of = {u.id: i for i, u in enumerate(examples.utterances)}
    task = card.task
    values, others = torch.empty(0, task.outputs), [0] * len(examples)
    if len(examples):
        logits = read(network, examples, batch_size, device)
        if adaptation is not None:
            logits, others = adaptation.adapt(cast(Network, network), examples, logits, batch_size, device)
        values = task.values(logits, card.calibration)
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in [*faults, *features.faults]:
        reasons[fault.id].append(f"{fault.modality}: {fault.reason}")
    predictions = []
    for utterance in utterances:
        error = "; ".join(reasons[utterance.id]) or None
        row = row_of.get(utterance.id)
        if row is None:
            nothing = f"no {', '.join(features.arrays)} to go by"
            predictions.append(Prediction(utterance.id, None, None, {}, (), error or nothing, card.note))
            continue
        modalities: tuple[ModalityName, ...] = tuple(
            modality for modality in features.arrays if utterance.id in features.arrays[modality]
        )
        own = values[row].tolist()
        label, confidence = task.decide(own, card.calibration)
        named = dict(zip(task.names, own, strict=True))
        count = None if adaptation is None else others[row]
        predictions.append(Prediction(utterance.id, label, confidence, named, modalities, error, card.note, count))
    return predictions


def abstained(predictions: Sequence[Prediction], least: float | None) -> list[Prediction]:
    """Answers less sure than `least` become "uncertain"; their probabilities stay. None: as they are.

    Raises InputError where `least` is no probability, or the answers have no confidence.
    """
    if least is None:
        return list(predictions)
    if any(p.confidence is None and p.values for p in predictions):
        raise InputError("--abstain: answers of this model have no confidence; leave it out.")
    if not 0.0 <= least <= 1.0:
        raise InputError(f"--abstain {least}: a probability from 0 to 1 is wanted.")
    return [
        replace(p, label=UNCERTAIN) if p.confidence is not None and p.confidence < least else p for p in predictions
    ]


def is_failed(prediction: Prediction) -> bool:
    """Whether nothing of a row could be read; a row without one modality of several is answered all the same."""
    return prediction.label is None and prediction.error is not None


def with_notes(predictions: Sequence[Prediction], notes: Iterable[Fault]) -> list[Prediction]:
    """The predictions with what is peculiar about their modalities (cut, damaged) behind what is known of the model."""
    told: dict[str, list[str]] = defaultdict(list)
    for note in notes:
        told[note.id].append(f"{note.modality}: {note.reason}")
    return [replace(p, note="; ".join(filter(None, [p.note, *told[p.id]]))) if p.id in told else p for p in predictions]


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
def growing_table(path: Path, task: Task) -> Iterator[Callable[[Sequence[Prediction], More], None]]:
    """Gives what takes the next rows: they are in `unfinished(path)` at once, and in `path` at the end, in one step.

    A kill or an error leaves the rows so far, and `path` as it was.
    """
    part = unfinished(path)
    known: list[Prediction] = []
    columns: dict[str, list[str]] = defaultdict(list)

    def add(predictions: Sequence[Prediction], more: More) -> None:
        if path.suffix.lower() == ".csv":
            rows = _csv(predictions, task, more, head=not known, notes=True)
        else:
            rows = json_lines(predictions, task, more)
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
    write_predictions(path, known, task, columns)
    part.unlink(missing_ok=True)


def write_predictions(
    path: Path, predictions: Sequence[Prediction], task: Task, more: Mapping[str, Sequence[str]] | None = None
) -> None:
    """`id`, the columns of the task (emotion, confidence, p_<class>...), `modalities`, `error`, a `note` if any, the
    columns of `more`: CSV; JSON or JSON Lines by the ending of `path`."""
    written = WRITERS[path.suffix.lower()](predictions, task, dict(more or {}))
    with replaced_file(path) as part:
        part.write_text(written, encoding="utf-8", errors="replace", newline="")  # half a surrogate is no text


def as_json(prediction: Prediction, task: Task) -> dict[str, Any]:
    """One answer as JSON tells it."""
    return {
        "id": prediction.id,
        **task.answer_json(prediction),
        "modalities": list(prediction.modalities),
        "error": prediction.error,
        "note": prediction.note,
        **({} if prediction.adapted_from is None else {ADAPTED: prediction.adapted_from}),
    }


def _csv(predictions: Sequence[Prediction], task: Task, more: More, *, head: bool = True, notes: bool = False) -> str:
    """head: with the names of the columns. notes: with a column `note` even where there is none."""
    if notes or any(p.note for p in predictions):
        more = {"note": [p.note or "" for p in predictions], **more}
    if any(p.adapted_from is not None for p in predictions):
        more = {ADAPTED: [str(p.adapted_from or 0) for p in predictions], **more}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    if head:
        names = ["id", *task.answer_columns, "modalities", "error", *more]
        writer.writerow(names)
    for i, p in enumerate(predictions):
        writer.writerow([
            guarded(p.id), *task.answer_cells(p), "+".join(p.modalities),
            guarded(p.error or ""),
            *(guarded(more[m][i]) for m in more),
        ])  # fmt: skip
    return buffer.getvalue()


def _rows(predictions: Sequence[Prediction], task: Task, more: More) -> list[dict[str, Any]]:
    return [as_json(p, task) | {name: column[i] for name, column in more.items()} for i, p in enumerate(predictions)]


def _json(predictions: Sequence[Prediction], task: Task, more: More) -> str:
    return json.dumps(_rows(predictions, task, more), indent=2, ensure_ascii=False) + "\n"


def json_lines(predictions: Sequence[Prediction], task: Task, more: More) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(predictions, task, more))


WRITERS: dict[str, Callable[[Sequence[Prediction], Task, More], str]] = {
    ".csv": _csv, ".json": _json, ".jsonl": json_lines,
}  # fmt: skip
