"""`from model import MultimodalEmotionRecognizer`: the seed's line, working from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from tricue import MultimodalEmotionRecognizer

__all__ = ["MultimodalEmotionRecognizer"]
