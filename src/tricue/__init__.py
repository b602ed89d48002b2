"""tricue: emotions from what is said, how it sounds and how it looks.

The public names are imported when they are first used, so that `import tricue` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tricue.corpora.catalogue import load_data
    from tricue.prediction.api_inputs import preprocess
    from tricue.recognizer import MultimodalEmotionRecognizer

__version__ = "0.1.0"
__all__ = ["MultimodalEmotionRecognizer", "__version__", "load_data", "preprocess"]

_HOMES = {
    "MultimodalEmotionRecognizer": "tricue.recognizer",
    "preprocess": "tricue.prediction.api_inputs",
    "load_data": "tricue.corpora.catalogue",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tricue' has no attribute {name!r}")
