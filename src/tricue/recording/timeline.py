"""A long recording, segment by segment: the emotion of each, or its values."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tricue.evaluation.trial import usable_modalities
from tricue.media.container import playing_time
from tricue.prediction.inputs import of_file
from tricue.progress import Bar
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.recording.segments import Segment, usable
from tricue.recording.words import told_silent
from tricue.tasks.task import Calibration, Task
from tricue.types import ModalityName, Prediction, Utterance

_LOG = logging.getLogger(__name__)
_BATCH = 32  # segments that are read, answered and forgotten together


@dataclass(frozen=True)
class Entry:
    """A stretch of the recording and its answer."""

    segment: Segment
    prediction: Prediction


@dataclass(frozen=True)
class Timeline:
    """A recording's segments in the order in which they begin, each with its answer."""

    recording: Path
    seconds: float
    task: Task
    calibration: Calibration | None
    modalities: list[ModalityName]  # those that the model reads
    entries: list[Entry]
    note: str | None = None  # what to know of the model: a toy, not for real use
    notices: tuple[str, ...] = ()  # what of the segments that were given is not as it was given


def make_timeline(
    recognizer: MultimodalEmotionRecognizer,
    recording: Path,
    segments: Sequence[Segment],
    *,
    modalities: Sequence[str] | None = None,
    abstain: float | None = None,
    progress: bool = False,
    notices: Sequence[str] = (),
    transcribed: bool = False,
) -> Timeline:
    """The emotion of each segment of a recording that lies in it (`segments.usable`), by its words, sound and pictures,
    as far as there are any and the model reads them; one without an answer says why in `prediction.error`.

    Memory does not grow with the recording's length. The segments are one dialogue: a model whose text encoder reads
    the turns before is given them, whatever the batch. modalities, abstain: as for `predict_batch`. notices:
    what there is to know of the segments, such as those of `read_subtitles`; they are logged, and kept with those of
    this function. transcribed: nobody speaks in a segment without text, which is no fault.
    Raises InputError where the recording cannot be opened, or no segment lies in it.
    """
    seconds = playing_time(recording)
    read = usable_modalities(recognizer.modalities, modalities)
    pipeline = recognizer.pipeline(recognizer.clip_modalities(read))
    chosen, left_out = usable(segments, seconds)
    told = (*notices, *([left_out] if left_out is not None else []))
    for notice in told:
        _LOG.warning("%s", notice)
    rows = segment_rows(of_file(recording, recording.name), chosen, recording.name)
    predictions: list[Prediction] = []
    with Bar(progress) as bar:
        bar.begin("Reading segments", len(rows))
        for first in range(0, len(rows), _BATCH):
            batch, among = rows[first : first + _BATCH], rows[max(0, first - pipeline.turns) : first + _BATCH]
            answers = recognizer.predict_rows(pipeline, batch, among, abstain=abstain)
            predictions += [
                told_silent(answer, row, read) if transcribed and row.text is None else answer
                for answer, row in zip(answers, batch, strict=True)
            ]
            bar.advance(len(batch))
    return Timeline(
        recording, seconds, recognizer.card.task, recognizer.card.calibration, list(pipeline.dims),
        [Entry(segment, answer) for segment, answer in zip(chosen, predictions, strict=True)],
        recognizer.card.note, told,
    )  # fmt: skip


def segment_rows(whole: Utterance, segments: Sequence[Segment], dialogue: str) -> list[Utterance]:
    """The modalities of the whole recording, of each segment; they follow one another as turns of one dialogue."""
    return [
        replace(
            whole, id=str(i + 1), text=s.text, start=s.start, end=s.end, speaker=s.speaker, dialogue=dialogue, turn=i,
        )
        for i, s in enumerate(segments)
    ]  # fmt: skip


def as_json(timeline: Timeline) -> dict[str, Any]:
    """What timeline.json holds, and what a page draws (docs/timeline.md); the recording by its name alone."""
    task = timeline.task
    return {
        "recording": timeline.recording.name,
        "seconds": round(timeline.seconds, 3),
        **({} if task.kind == "values" else {"emotions": task.names}),
        "task": task_json(task, timeline.calibration),
        "note": timeline.note,
        "notices": list(timeline.notices),
        "entries": [_entry(task, entry, timeline.note or "") for entry in timeline.entries],
    }


def task_json(task: Task, calibration: Calibration | None) -> dict[str, Any]:
    """How a page draws the answers of a model, and the columns of their table; an end that is not known is null."""
    from tricue.figures.canvas import emotion_colours  # loads matplotlib

    names, colours = task.names, emotion_colours(task.names)
    marks: Sequence[float | None] = task.marks(calibration) or [None] * len(names)
    ends = [[end if math.isfinite(end) else None for end in task.range_of(name)] for name in names]
    axes = [
        {"name": name, "low": low, "high": high, "mark": mark, "colour": colours[name]}
        for name, (low, high), mark in zip(names, ends, marks, strict=True)
    ]
    return {"name": task.name, "kind": task.kind, "columns": task.answer_columns, "axes": axes}


def summary(timeline: Timeline) -> str:
    """How many segments each class is said of, or between what their values lie."""
    predictions = [entry.prediction for entry in timeline.entries]
    if timeline.task.kind != "values":
        told = Counter(name for prediction in predictions for name in str(prediction).split("; "))
        return ", ".join(f"{name} {count}" for name, count in told.most_common())
    found = {name: [p.values[name] for p in predictions if p.values] for name in timeline.task.names}
    return ", ".join(f"{name} {min(own):.2f} to {max(own):.2f}" for name, own in found.items() if own) or "unknown"


def own_note(prediction: Prediction, known: str) -> str | None:
    """What there is to know of the prediction beside the note of the model."""
    return (prediction.note or "").removeprefix(known).removeprefix("; ") or None


def _entry(task: Task, entry: Entry, known: str) -> dict[str, Any]:
    """known: the note of the model, which is told once."""
    segment, prediction = entry.segment, entry.prediction
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "speaker": segment.speaker,
        "text": segment.text,
        **task.answer_json(prediction),
        "modalities": list(prediction.modalities),
        "error": prediction.error,
        "note": own_note(prediction, known),
    }
