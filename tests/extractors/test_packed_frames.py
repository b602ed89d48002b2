"""Frames as files of pictures in the store."""

from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from tricue.extractors.packed_frames import PackedFrames, pack, unpack
from tricue.types import InvalidFileError


def pictures(count: int = 3, height: int = 24, width: int = 32) -> list[np.ndarray]:
    """Noise: what a lossy file keeps worst."""
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def test_pictures_come_back_as_they_were() -> None:
    given = [*pictures(), np.full((24, 32, 3), 90, np.uint8)]  # the last is a shorter file
    packed = pack(given).astype(np.float16)  # as the store has them
    assert not packed[-1, -100:].any()
    for own, original in zip(unpack(packed, (24, 32)), given, strict=True):
        assert_array_equal(own, original)


def test_what_is_no_such_picture_is_refused() -> None:
    packed = pack(pictures())
    with pytest.raises(InvalidFileError, match=r"no picture of 24 x 32 pixels \(it has 32 x 24\)"):
        unpack(packed, (32, 24))
    with pytest.raises(InvalidFileError, match=r"\(it is no WebP file\)\. Delete the store's folder"):
        unpack(np.zeros((1, 40)), (24, 32))
    with pytest.raises(InvalidFileError, match=r"A stored frame is no picture"):
        unpack(packed[:, : packed.shape[1] // 2], (24, 32))
    packed[0, 30] = np.nan
    with pytest.raises(InvalidFileError, match=r"it holds what is no number"):
        unpack(packed, (24, 32))


def test_a_picture_that_claims_to_be_huge_is_refused_before_memory_is_taken() -> None:
    large = BytesIO()
    Image.new("RGB", (16_000, 16_000)).save(large, "WEBP", lossless=True, quality=0, method=0)
    with pytest.raises(InvalidFileError, match=r"A stored frame is no picture of 32 x 24 pixels"):
        unpack(np.frombuffer(large.getvalue(), np.uint8)[None].astype(np.float32), (24, 32))


def test_pixels_are_made_when_they_are_read() -> None:
    made: list[int] = []

    def as_pixels(packed: np.ndarray) -> np.ndarray:
        made.append(len(packed))
        return np.full((len(packed), 6), 0.5, np.float32)

    frames = PackedFrames(np.zeros((2, 9)), 6, as_pixels)
    assert len(frames) == 2 and frames.shape == (2, 6) and frames.dtype == np.float32 and not made
    padded = np.zeros((3, 6), np.float32)
    padded[:2] = frames  # type: ignore[assignment]
    assert made == [2] and padded.sum() == 6.0
