"""Real encoders, where this machine has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "../shared"


@pytest.fixture
def shared_model() -> Callable[[str], Path]:
    """A real encoder's folder; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        folder = SHARED / "models" / name
        if not folder.is_dir():
            pytest.skip(f"needs ../shared/models/{name}")
        return folder

    return find
