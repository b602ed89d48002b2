"""tricue: emotions from what is said, how it sounds and how it looks.

The public names are imported when they are first used, so that `import tricue` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tricue.data.corpora import load_data
    from tricue.recognizer import MultimodalEmotionRecognizer, preprocess

__version__ = "0.1.0"
__all__ = ["MultimodalEmotionRecognizer", "__version__", "load_data", "preprocess"]

_HOMES = {
    "MultimodalEmotionRecognizer": "tricue.recognizer",
    "preprocess": "tricue.recognizer",
    "load_data": "tricue.data.corpora",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tricue' has no attribute {name!r}")
