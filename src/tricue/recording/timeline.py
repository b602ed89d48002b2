"""The emotions of a long recording, segment by segment."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tricue.evaluation.evaluate import usable_cues
from tricue.features.container import playing_time
from tricue.features.progress import Bar
from tricue.inputs import of_file
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.recording.segments import Segment, usable
from tricue.recording.words import told_silent
from tricue.types import Cue, Prediction, Utterance

_LOG = logging.getLogger(__name__)
_BATCH = 32  # segments that are read, answered and forgotten together
_BATCH_OF_PROCESSES = 512  # processes start anew for every batch, which takes them seconds


@dataclass(frozen=True)
class Entry:
    """A stretch of the recording and its emotion."""

    segment: Segment
    prediction: Prediction


@dataclass(frozen=True)
class Timeline:
    """A recording's segments in the order in which they begin, each with its emotion."""

    recording: Path
    seconds: float
    emotions: list[str]  # the model's classes
    cues: list[Cue]  # those that the model reads
    entries: list[Entry]
    note: str | None = None  # what to know of the model: a toy, not for real use
    notices: tuple[str, ...] = ()  # what of the segments that were given is not as it was given


def make_timeline(
    recognizer: MultimodalEmotionRecognizer,
    recording: Path,
    segments: Sequence[Segment],
    *,
    cues: Sequence[str] | None = None,
    abstain: float | None = None,
    progress: bool = False,
    workers: int | None = None,
    notices: Sequence[str] = (),
    transcribed: bool = False,
) -> Timeline:
    """The emotion of each segment of a recording that lies in it (`segments.usable`), by its words, sound and pictures,
    as far as there are any and the model reads them; one without an answer says why in `prediction.error`.

    Memory does not grow with the recording's length. The segments are one dialogue: a model whose text encoder reads
    the turns before is given them, whatever the batch. cues, abstain: as for `predict_batch`. workers: processes; None
    is this one, more are worth their start for hours of video. notices: what there is to know of the segments, such as
    those of `read_subtitles`; they are logged, and kept with those of this function. transcribed: nobody speaks in a
    segment without text, which is no fault.
    Raises InputError where the recording cannot be opened, or no segment lies in it.
    """
    seconds = playing_time(recording)
    read = usable_cues(recognizer.cues, cues)
    features = recognizer.card.config.features
    turns = features.text.context if "text" in read else 0
    chosen, left_out = usable(segments, seconds)
    told = (*notices, *([left_out] if left_out is not None else []))
    for notice in told:
        _LOG.warning("%s", notice)
    rows = _utterances(recording, chosen)
    size = _BATCH_OF_PROCESSES if workers is not None and workers > 1 else _BATCH
    predictions: list[Prediction] = []
    with Bar(progress) as bar:
        bar.begin("Reading segments", len(rows))
        for first in range(0, len(rows), size):
            before = [replace(row, audio=None, video=None) for row in rows[max(0, first - turns) : first]]
            batch = rows[first : first + size]
            answers = recognizer.predict_batch([*before, *batch], read, abstain=abstain, workers=workers or 0)
            predictions += [
                told_silent(answer, row, read) if transcribed and row.text is None else answer
                for answer, row in zip(answers[len(before) :], batch, strict=True)
            ]
            bar.advance(len(batch))
    return Timeline(
        recording, seconds, recognizer.emotions, [c for c in read if c not in features.precomputed_cues()],
        [Entry(segment, answer) for segment, answer in zip(chosen, predictions, strict=True)],
        recognizer.card.note, told,
    )  # fmt: skip


def as_json(timeline: Timeline) -> dict[str, Any]:
    """What timeline.json holds, and what a page draws (docs/timeline.md); the recording by its name alone."""
    return {
        "recording": timeline.recording.name,
        "seconds": round(timeline.seconds, 3),
        "emotions": timeline.emotions,
        "note": timeline.note,
        "notices": list(timeline.notices),
        "entries": [_entry(entry, timeline.note or "") for entry in timeline.entries],
    }


def _utterances(recording: Path, segments: Sequence[Segment]) -> list[Utterance]:
    """The cues that the recording has, of each segment; segments follow one another as turns of one dialogue."""
    whole = of_file(recording, recording.name)
    return [
        replace(
            whole, id=str(i + 1), text=s.text, start=s.start, end=s.end, speaker=s.speaker,
            dialogue=recording.name, turn=i,
        )
        for i, s in enumerate(segments)
    ]  # fmt: skip


def own_note(prediction: Prediction, known: str) -> str | None:
    """What there is to know of the prediction beside the note of the model."""
    return (prediction.note or "").removeprefix(known).removeprefix("; ") or None


def _entry(entry: Entry, known: str) -> dict[str, Any]:
    """known: the note of the model, which is told once."""
    segment, prediction = entry.segment, entry.prediction
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "speaker": segment.speaker,
        "text": segment.text,
        "emotion": prediction.emotion,
        "confidence": prediction.confidence,
        "probabilities": prediction.probabilities,
        "cues": list(prediction.cues),
        "error": prediction.error,
        "note": own_note(prediction, known),
    }
