"""Frames as JPEG in the store."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tricue.extractors.packed_frames import PackedFrames, pack, unpack
from tricue.types import InvalidFileError


def pictures(count: int = 3, height: int = 24, width: int = 32) -> list[np.ndarray]:
    """Slopes of brightness and colour, of another kind in each."""
    down, across = np.mgrid[0:height, 0:width]
    return [
        np.stack([7 * down + i, 255 - 6 * across, 4 * down + 3 * across], axis=-1).clip(0, 255).astype(np.uint8)
        for i in range(count)
    ]


def test_pictures_come_back_as_they_were() -> None:
    given = pictures()
    packed = pack(given)
    halved = packed.astype(np.float16)  # as the store has them
    assert_array_equal(halved.astype(np.float32), packed)
    for own, original in zip(unpack(halved, (24, 32)), given, strict=True):
        assert np.abs(own.astype(int) - original).mean() < 1.5  # of 255 levels


def test_a_picture_is_packed_alone_as_beside_others() -> None:
    """Zeros behind the end of a file change nothing of it."""
    flat = np.full((24, 32, 3), 90, np.uint8)
    together = unpack(pack([flat, *pictures(1)]), (24, 32))
    assert_array_equal(together[0], unpack(pack([flat]), (24, 32))[0])


def test_what_is_no_such_picture_is_refused() -> None:
    packed = pack(pictures())
    with pytest.raises(InvalidFileError, match=r"no picture of 24 x 32 pixels \(32 x 24 pixels\)"):
        unpack(packed, (32, 24))
    with pytest.raises(InvalidFileError, match=r"Delete the store's folder"):
        unpack(np.zeros((1, 40)), (24, 32))
    with pytest.raises(InvalidFileError, match=r"(?i)truncated"):
        unpack(packed[:, : packed.shape[1] // 2], (24, 32))


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
