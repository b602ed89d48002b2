"""What `/v1/predict` takes, for OpenAPI: it is read by hand (uploads.py), so that limits hold while it arrives."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "description": "The words."}
_ABSTAIN = {"type": "number", "minimum": 0, "maximum": 1, "description": "Below this probability: uncertain."}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["text"],
                        "properties": {"text": _TEXT, "abstain": _ABSTAIN},
                    },
                    {
                        "type": "object",
                        "required": ["inputs"],
                        "properties": {
                            "inputs": {
                                "type": "array",
                                "items": {
                                    "oneOf": [
                                        {"type": "string"},
                                        {
                                            "type": "object",
                                            "required": ["text"],
                                            "properties": {"id": {"type": "string"}, "text": _TEXT},
                                        },
                                    ]
                                },
                            },
                            "abstain": _ABSTAIN,
                        },
                    },
                ]
            }
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "text": _TEXT,
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "A clip with sound or picture.",
                    },
                    "abstain": _ABSTAIN,
                    "transcribe": {"type": "boolean", "description": "Hear the clip's words."},
                    "subtitles": {
                        "type": "string",
                        "format": "binary",
                        "description": "SRT or WebVTT: a timeline.",
                    },
                    "windows": {"type": "number", "description": "Seconds; cuts the clip: a timeline."},
                },
            }
        },
    },
}
