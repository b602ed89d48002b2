"""A still image that is uploaded is a video of one frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.webp"])
def test_an_image_is_answered(asked: Any, tmp_path: Path, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    response = asked.form(tmp_path / name)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["modalities"] == ["video"] and answer["emotion"]
