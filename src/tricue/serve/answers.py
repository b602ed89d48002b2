"""What an answer looks like: from readings to the JSON of `/v1/predict`."""

import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from tricue.prediction.predictions import abstained
from tricue.serve.reading import Reading
from tricue.tasks.task import Task
from tricue.types import Prediction

_ID = {"id": (str, "As given, else the number in the batch.")}
_UNCERTAINTY = {"uncertainty": (float | None, "Normalised entropy: 0 = certain, 1 = uniform.")}
_MORE: dict[str, tuple[Any, str]] = {
    "modalities": (list[str], "Those that took part: text, audio, video."),
    "text": (str | None, "The words that were read or heard."),
    "error": (str | None, "Why a modality, or all of it, is missing."),
    "note": (str | None, "What to know of the model or the recording."),
    "timeline": (dict[str, Any] | None, "Of longer clips: what docs/timeline.md says of `timeline.json`."),
    "milliseconds": (float, "From the request's head to the answer."),
}
_SHAPLEY = "before calibration (Shapley values). Less reliable where the model was trained without modality dropout."
_CONTRIBUTIONS: dict[bool, tuple[Any, str]] = {
    True: (dict[str, float], f"What each modality adds to the likeliest emotion's probability, {_SHAPLEY}"),
    False: (dict[str, dict[str, float]], f"What each modality adds to each value, {_SHAPLEY}"),
}


def answer_models(task: Task) -> tuple[type[BaseModel], type[BaseModel]]:
    """`Answer` and `Answers` of a task, for OpenAPI."""
    one = task.kind == "classes"
    fields = (
        _ID | dict(task.answer_fields) | (_UNCERTAINTY if one else {}) | {"contributions": _CONTRIBUTIONS[one]} | _MORE
    )
    made = {name: (type_, Field(description=told)) for name, (type_, told) in fields.items()}
    answer_model = create_model("Answer", __doc__="One answer.", **made)  # type: ignore[call-overload]
    answers_model = create_model(
        "Answers", __doc__="Those of a batch, in the order of its inputs.", answers=(list[answer_model], ...),
        milliseconds=made["milliseconds"],
    )  # fmt: skip
    return answer_model, answers_model


class _Said(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)  # they describe the fields in OpenAPI


class Told(_Said):
    code: str
    """For programs; it stays the same."""
    reason: str
    """For people."""


class Error(BaseModel):
    """What every refusal looks like."""

    error: Told


def answer(
    id_: str, reading: Reading, task: Task, *, text: str | None = None, abstain: float | None = None,
    timeline: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """An `Answer`, but for its time."""
    (p,) = abstained([reading.prediction], abstain)
    found = failed(id_, p.error, task, text) | task.answer_json(p)
    if not p.values:
        return found
    added = {m: dict(zip(task.names, own.tolist(), strict=True)) for m, own in reading.contributions.items()}
    if task.kind == "classes":
        best = max(p.values, key=p.values.__getitem__)
        found["uncertainty"] = uncertainty(list(p.values.values()))
        added = {modality: own[best] for modality, own in added.items()}
    return found | {
        "modalities": list(p.modalities),
        "contributions": added,
        "note": "; ".join(filter(None, (p.note, *reading.notes))) or None,
        "timeline": timeline,
    }


def failed(id_: str, reason: str | None, task: Task, text: str | None = None) -> dict[str, Any]:
    """The `Answer` of what cannot be read."""
    return {
        "id": id_, **task.answer_json(Prediction(id_, None, None, {}, ())),
        **({"uncertainty": None} if task.kind == "classes" else {}), "modalities": [], "contributions": {},
        "text": text, "error": reason, "note": None, "timeline": None, "milliseconds": 0.0,
    }  # fmt: skip


def uncertainty(chances: Sequence[float]) -> float:
    """Entropy / log C: 0 = certain, 1 = uniform."""
    entropy = -sum(p * math.log(p) for p in chances if p > 0)
    return min(1.0, max(0.0, entropy / math.log(len(chances)))) if len(chances) > 1 else 0.0
