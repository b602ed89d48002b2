"""Request body of `/v1/predict` for OpenAPI; uploads.py parses it by hand, so that limits hold while it arrives."""

from typing import Any

from tricue.recording.segments import SHORTEST_WINDOW
from tricue.serve.limits import LONGEST_ID, Limits

_ABSTAIN = {"type": "number", "minimum": 0, "maximum": 1}
_UNSURE = {"description": "Below this probability: uncertain."}
_SWITCH = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Nn]|[Oo][Ff][Ff]|0|1)?$"
_HEARD = {
    "transcribe": {
        "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": _SWITCH}],
        "description": "Hear the clip's words.",
    }
}


def body(limits: Limits, abstains: bool) -> dict[str, Any]:
    """The request body of a service with these limits. What it allows is answered, but for what only the content
    shows (422), and texts that are too long together (413). abstains: whether answers have a confidence."""
    text = {"type": "string", "maxLength": limits.characters, "description": "The words."}
    abstain = {"abstain": {"anyOf": [_ABSTAIN, {"type": "null"}], **_UNSURE}} if abstains else {}
    every = _HEARD | ({"abstain": _ABSTAIN | _UNSURE} if abstains else {})
    one = _object(["text"], {"text": text} | abstain)
    batch = _object(["inputs"], {"inputs": _inputs(text, limits.texts)} | abstain)
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [one, batch]}},
            "multipart/form-data": {"schema": _form(text, every)},
        },
    }


def _inputs(text: dict[str, Any], most: int) -> dict[str, Any]:
    id_ = {"type": ["string", "integer"], "maxLength": LONGEST_ID}
    row = {"type": "object", "required": ["text"], "properties": {"id": id_, "text": text}}
    what = "A text, alone or with an id. Anything else fails alone: its answer has `error`."
    items = {"anyOf": [text, row, {}], "description": what}
    return {"type": "array", "minItems": 1, "maxItems": most, "items": items}


def _form(text: dict[str, Any], every: dict[str, Any]) -> dict[str, Any]:
    """Words; a clip, and what cuts it; a clip with subtitles; with fields of every form. All fields stand beside these
    three for readers that look for files there."""
    file = {"type": "string", "format": "binary"}
    seconds = {"type": "number", "minimum": SHORTEST_WINDOW}
    fields = {
        "text": text,
        "file": file | {"description": "A clip with sound or picture."},
        "subtitles": file | {"description": "SRT or WebVTT: a timeline."},
        "windows": seconds | {"description": "Seconds; cuts the clip: a timeline."},
    }
    forms = [("text",), ("file", "text", "windows"), ("file", "subtitles", "text")]
    needs = [["text"], ["file"], ["file", "subtitles"]]
    each = [
        _object(need, {name: fields[name] for name in form} | every) for need, form in zip(needs, forms, strict=True)
    ]
    return _object([], fields | every) | {"anyOf": each}


def _object(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "required": required, "properties": properties, "additionalProperties": False,
    }  # fmt: skip
