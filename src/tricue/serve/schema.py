"""What `/v1/predict` takes, for OpenAPI: it is read by hand (uploads.py), so that limits hold while it arrives."""

from __future__ import annotations

from typing import Any

from tricue.recording.segments import SHORTEST_WINDOW
from tricue.serve.limits import LONGEST_ID, Limits

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_UNSURE = "Below this probability: uncertain."
_SWITCH = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|[Oo][Ff][Ff]|0|1)?$"


def body(limits: Limits) -> dict[str, Any]:
    """The request body of a service with these limits. What it allows is answered, but for what only the content
    shows (422), and texts that are too long together (413)."""
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [_one(limits), _batch(limits)]}},
            "multipart/form-data": {"schema": _form(limits)},
        },
    }


def _text(limits: Limits) -> dict[str, Any]:
    return {"type": "string", "maxLength": limits.characters, "description": "The words."}


def _one(limits: Limits) -> dict[str, Any]:
    abstain = {"anyOf": [_PROBABILITY, {"type": "null"}], "description": _UNSURE}
    return {
        "type": "object",
        "required": ["text"],
        "properties": {"text": _text(limits), "abstain": abstain},
        "additionalProperties": False,
    }


def _batch(limits: Limits) -> dict[str, Any]:
    row = {
        "type": "object",
        "required": ["text"],
        "properties": {"id": {"type": ["string", "integer"], "maxLength": LONGEST_ID}, "text": _text(limits)},
    }
    inputs = {
        "type": "array",
        "minItems": 1,
        "maxItems": limits.texts,
        "items": {
            "anyOf": [_text(limits), row, {}],
            "description": "A text, alone or with an id. Anything else fails alone: its answer has `error`.",
        },
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": inputs, "abstain": _one(limits)["properties"]["abstain"]},
        "additionalProperties": False,
    }


def _form(limits: Limits) -> dict[str, Any]:
    """Words; a clip, and what cuts it; a clip with subtitles. All fields stand beside these three for readers that look
    for files there."""
    seconds = {
        "type": "number",
        "minimum": SHORTEST_WINDOW,
        "description": "Seconds; cuts the clip: a timeline.",
    }
    text = {"text": _text(limits)}
    clip = {"file": _file("A clip with sound or picture.")}
    subtitles = {"subtitles": _file("SRT or WebVTT: a timeline.")}
    windows = {"windows": seconds}
    every = _fields([], text | clip | subtitles | windows)
    return every | {
        "anyOf": [
            _fields(["text"], text),
            _fields(["file"], clip | text | windows),
            _fields(["file", "subtitles"], clip | subtitles | text),
        ]
    }


def _fields(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    """Of a form, with those that every form may have."""
    always = {
        "abstain": _PROBABILITY | {"description": _UNSURE},
        "transcribe": {
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": _SWITCH}],
            "description": "Hear the clip's words.",
        },
    }
    return {
        "type": "object",
        "required": required,
        "properties": properties | always,
        "additionalProperties": False,
    }


def _file(what: str) -> dict[str, Any]:
    return {"type": "string", "format": "binary", "description": what}
