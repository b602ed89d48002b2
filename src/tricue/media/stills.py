"""Still images (PNG, JPEG, WebP): each is a video of one frame, as Pillow decodes it.

FFmpeg says how large it is before anything is decoded. Pillow decodes it, as it does for the encoders' own processors:
FFmpeg's decoders leave out the turn that a camera notes in EXIF.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tricue.media.keyframes import half, size_fault
from tricue.types import Side

_FORMATS = ("PNG", "JPEG", "WEBP")


def read_still(path: Path, crop: Side | None = None) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises ValueError where it cannot be decoded; its text says why."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return half(to_rgb(image), crop)
    except OSError as error:  # Pillow does not know it, or its size is beyond Pillow's own limit
        raise ValueError(str(error)) from error


def to_rgb(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image of Pillow, turned as its EXIF says. Raises ValueError as `read_still`."""
    if fault := size_fault(*image.size):
        raise ValueError(fault)
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):  # Pillow would cut its values off at 255
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        return np.asarray(upright.convert("RGB"))
    except MemoryError:
        raise
    except Exception as error:  # it decodes only now, and each format of Pillow has errors of its own
        raise ValueError(str(error) or type(error).__name__) from error
