"""Real speech and the model that writes it down, where this machine has them."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "../shared"


@pytest.fixture
def shared_speech() -> Path:
    """An actor of RAVDESS who says "Kids are talking by the door"."""
    found = sorted((SHARED / "data/ravdess").rglob("03-01-01-01-01-01-*.*"))
    if not found:
        pytest.skip("needs ../shared/data/ravdess")
    return found[0]


@pytest.fixture
def whisper() -> Path:
    folder = SHARED / "models/whisper-tiny-en"
    if not folder.is_dir():
        pytest.skip("needs ../shared/models/whisper-tiny-en")
    return folder
