"""Frames for an image encoder that is trained with the network: JPEG in the store, pixels in a batch.

Pixels of ten frames of 224 pixels are 3 MB a clip, more than memory holds of a corpus; their JPEG is a fortieth.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from tricue.types import InvalidFileError, first_line

_QUALITY = 95  # with colours as sharp as brightness; a pixel of a photograph moves by one or two of 255 levels


def pack(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """(h, w, 3) uint8 each -> (frames, bytes) float32, whole numbers: a JPEG per row, zeros behind its end."""
    files = []
    for picture in pictures:
        file = BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=_QUALITY, subsampling=0)
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    packed = np.zeros((len(files), max((len(file) for file in files), default=0)), np.float32)
    for row, content in zip(packed, files, strict=True):
        row[: len(content)] = content
    return packed


def unpack(packed: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """The pictures again. size: (h, w). Raises InvalidFileError where a row is no JPEG of this size."""
    pictures = []
    for row in packed:
        try:
            with Image.open(BytesIO(row.astype(np.uint8).tobytes()), formats=["JPEG"]) as picture:
                if picture.size != size[::-1]:
                    raise ValueError(f"{picture.size[0]} x {picture.size[1]} pixels")
                pictures.append(np.asarray(picture.convert("RGB")))
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise InvalidFileError(
                f"A stored frame is no picture of {size[1]} x {size[0]} pixels ({first_line(error)}). Delete the "
                "store's folder of these features; they are made again."
            ) from error
    return pictures


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
