"""What an answer looks like: from readings to the JSON of `/v1/predict`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from tricue.serve.reading import Reading
from tricue.types import UNCERTAIN


class Answer(BaseModel):
    """One answer."""

    id: str
    emotion: str | None  # null: nothing to go by; "uncertain": less sure than `abstain` asks for
    confidence: float | None  # probability of the likeliest emotion
    uncertainty: float | None  # entropy of the probabilities by its largest value, 0 (sure) to 1
    probabilities: dict[str, float]
    cues: list[str]  # that took part
    contributions: dict[str, float]  # what each adds to the likeliest emotion's probability (Shapley values)
    text: str | None  # the words that were read or heard
    error: str | None  # why a cue, or all of it, is missing
    note: str | None  # what to know of the model or the recording
    timeline: dict[str, Any] | None  # of longer clips: docs/timeline.md
    milliseconds: float


class Answers(BaseModel):
    """Those of a batch, in the order of its inputs."""

    answers: list[Answer]
    milliseconds: float


class Told(BaseModel):
    code: str
    reason: str


class Error(BaseModel):
    """What every refusal looks like."""

    error: Told


def answer(
    id_: str,
    reading: Reading,
    emotions: Sequence[str],
    *,
    text: str | None = None,
    abstain: float | None = None,
    timeline: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An `Answer`, but for its time."""
    p = reading.prediction
    chances = list(p.probabilities.values())
    emotion = p.emotion
    if abstain is not None and p.confidence is not None and p.confidence < abstain:
        emotion = UNCERTAIN
    best = emotions.index(max(p.probabilities, key=p.probabilities.__getitem__)) if chances else None
    return {
        "id": id_,
        "emotion": emotion,
        "confidence": p.confidence,
        "uncertainty": uncertainty(chances) if chances else None,
        "probabilities": p.probabilities,
        "cues": list(p.cues),
        "contributions": {} if best is None else reading.contributions(best),
        "text": text,
        "error": p.error,
        "note": "; ".join(filter(None, (p.note, *reading.notes))) or None,
        "timeline": timeline,
        "milliseconds": 0.0,
    }


def failed(id_: str, reason: str, text: str | None = None) -> dict[str, Any]:
    """The answer of a batch's row that cannot be read."""
    return {
        "id": id_, "emotion": None, "confidence": None, "uncertainty": None, "probabilities": {}, "cues": [],
        "contributions": {}, "text": text, "error": reason, "note": None, "timeline": None, "milliseconds": 0.0,
    }  # fmt: skip


def uncertainty(chances: Sequence[float]) -> float:
    """Entropy by its largest value, log C: 0 where one class is certain, 1 where all are as likely."""
    entropy = -sum(p * math.log(p) for p in chances if p > 0)
    return min(1.0, max(0.0, entropy / math.log(len(chances)))) if len(chances) > 1 else 0.0
