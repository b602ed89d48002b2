"""What an answer looks like: from readings to the JSON of `/v1/predict`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from tricue.serve.reading import Reading
from tricue.types import UNCERTAIN


class _Said(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True
    )  # what stands under a field describes it in OpenAPI


class Answer(_Said):
    """One answer."""

    id: str
    """As given, else the number in the batch."""
    emotion: str | None
    """null: nothing to go by; "uncertain": less sure than `abstain` asks for."""
    confidence: float | None
    """Probability of the likeliest emotion, calibrated."""
    uncertainty: float | None
    """Entropy of the probabilities by its largest value: 0 sure, 1 knows nothing."""
    probabilities: dict[str, float]
    """Of each emotion, calibrated."""
    cues: list[str]
    """Those that took part: text, audio, video."""
    contributions: dict[str, float]
    """What each cue adds to the likeliest emotion's probability, before calibration (Shapley values)."""
    text: str | None
    """The words that were read or heard."""
    error: str | None
    """Why a cue, or all of it, is missing."""
    note: str | None
    """What to know of the model or the recording."""
    timeline: dict[str, Any] | None
    """Of longer clips: what docs/timeline.md says of `timeline.json`."""
    milliseconds: float
    """From the request's head to the answer."""


class Answers(_Said):
    """Those of a batch, in the order of its inputs."""

    answers: list[Answer]
    milliseconds: float
    """From the request's head to the answer."""


class Told(_Said):
    code: str
    """For programs; it stays the same."""
    reason: str
    """For people."""


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
