"""Frames for an image encoder that is trained with the network: lossless WebP in the store, pixels in a batch.

Pixels of ten frames of 224 pixels are 3 MB a clip in 16 bits, more than memory holds of a corpus. JPEG would take half
the room of WebP and change what an encoder that knows exact pixels says of small pictures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from tricue.types import InvalidFileError, first_line

_METHOD = 2  # of 0 to 6: slower ones save a few percent


def pack(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """(h, w, 3) uint8 each -> (frames, bytes) float32, whole numbers: a picture file per row, zeros behind its end."""
    files = []
    for picture in pictures:
        file = BytesIO()
        Image.fromarray(picture).save(file, "WEBP", lossless=True, quality=0, method=_METHOD)
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    packed = np.zeros((len(files), max((len(file) for file in files), default=0)), np.float32)
    for row, content in zip(packed, files, strict=True):
        row[: len(content)] = content
    return packed


def unpack(packed: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """The pictures again. size: (h, w). Raises InvalidFileError where a row is no such file of this size."""
    return [_opened(row, size) for row in packed]


def _opened(row: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    try:
        if not np.isfinite(row).all():
            raise ValueError("it holds what is no number")
        with Image.open(BytesIO(row.astype(np.uint8).tobytes()), formats=["WEBP"]) as picture:
            if picture.size != size[::-1]:
                raise ValueError(f"it has {picture.size[0]} x {picture.size[1]}")
            return np.asarray(picture.convert("RGB"))
    except Image.UnidentifiedImageError as error:
        raise _no_picture(size, "it is no WebP file") from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise _no_picture(size, first_line(error)) from error


def _no_picture(size: tuple[int, int], reason: str) -> InvalidFileError:
    return InvalidFileError(
        f"A stored frame is no picture of {size[1]} x {size[0]} pixels ({reason}). Delete the store's folder of these "
        "features; they are made again."
    )


@dataclass(frozen=True, eq=False)
class PackedFrames:
    """Stands where an array of pixels (frames, 3 h w) does: they are made each time that it is read."""

    packed: np.ndarray  # (frames, bytes)
    width: int  # 3 h w
    as_pixels: Callable[[np.ndarray], np.ndarray]  # (frames, bytes) -> (frames, 3 h w)
    dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.width

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.as_pixels(self.packed), dtype)
