"""Sound and pictures that Python's callers have in memory: arrays, images of Pillow, bytes of a media file."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tricue.media.keyframes import size_fault
from tricue.media.sound import RATES
from tricue.media.stills import to_rgb
from tricue.modalities.reading import Frames, MediaBytes, Waveform
from tricue.modalities.requests import Opener
from tricue.types import InputError, shown

MAX_SECONDS = 86_400.0  # of a waveform: a day
MAX_FRAMES = 100_000  # more than an hour at 25 a second
_MISSING = ("NAType", "NaTType")  # of pandas, which need not be installed
_WANTED = {
    "audio": "a path, the bytes of a media file, or (waveform, sample_rate)",
    "video": "a path, the bytes of a media file, frames (N, H, W, 3) uint8 RGB, or images of Pillow",
}


def is_missing(value: Any) -> bool:
    """Whether it stands for nothing: None, NaN, pandas' NA and NaT."""
    number = isinstance(value, float) and math.isnan(value)  # NumPy's, too
    return value is None or number or type(value).__name__ in _MISSING


def read_source(modality: str, value: Any) -> Path | Opener | None:
    """An argument `audio`, `video` or of a plugin's modality as a file or as what opens it from memory; None where it
    is missing.

    audio: a path; the bytes of a media file; or (waveform, sample_rate): (samples,) floats of which 1 is full scale,
        or int16, one channel, and its samples per second.
    video: a path; the bytes of a media file; frames (N, H, W, 3) uint8 RGB in time order, as an array or as a list of
        (H, W, 3); or an image of Pillow, or a list of them. Frames are taken as evenly spaced.
    others: a path, or an `Opener` of the plugin's.

    Raises InputError for anything else, and for sizes that no file may have either.
    """
    if is_missing(value) or (isinstance(value, str) and not value):
        return None
    if isinstance(value, Opener):
        return value
    if isinstance(value, str | os.PathLike):
        return Path(os.fsdecode(value))
    if isinstance(value, bytes | bytearray) and modality in _WANTED:
        if not value:
            raise InputError(f"{modality}: 0 bytes; expected those of a media file.")
        return MediaBytes(bytes(value))
    if modality == "audio" and isinstance(value, tuple) and len(value) == 2:
        return _waveform(*value)
    if modality == "video" and (frames := _pictures(value)) is not None:
        return Frames(frames)
    raise InputError(
        f"{modality} {shown(value)}: {type(value).__name__} is no path and no signal; give "
        f"{_WANTED.get(modality, 'a path')}."
    )


def _waveform(samples: Any, rate: Any) -> Waveform:
    wave = _array("audio", samples)
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"audio: the sample rate {shown(rate)} is none; give a whole number of samples per second from "
            f"{RATES[0]:,} to {RATES[1]:,}."
        )
    if wave.ndim != 1 or not wave.size or not (wave.dtype.kind == "f" or wave.dtype == np.int16):
        raise InputError(
            f"audio: the waveform has shape {wave.shape} and type {wave.dtype}; expected (samples,), float from -1 to "
            "1 or int16. Of several channels give one, or their mean: waveform.mean(axis=...)."
        )
    if wave.size > MAX_SECONDS * rate:
        raise InputError(f"audio: {wave.size / rate:,.0f} s; give {MAX_SECONDS:,.0f} s at most.")
    return Waveform(wave, int(rate))


def _pictures(value: Any) -> Sequence[np.ndarray] | None:
    """(H, W, 3) uint8 each; None for what holds no pictures."""
    frames = [value] if hasattr(value, "getbands") else value  # an image of Pillow
    if not hasattr(frames, "__array__") and not isinstance(frames, list | tuple):
        return None
    shape = getattr(frames, "shape", (len(frames),))
    if not 0 < shape[0] <= MAX_FRAMES:
        raise InputError(f"video: {shape[0]:,} frames; give 1 to {MAX_FRAMES:,}.")
    return [_picture(frame) for frame in (frames if isinstance(frames, list | tuple) else _array("video", frames))]


def _picture(frame: Any) -> np.ndarray:
    if hasattr(frame, "getbands"):
        try:
            frame = to_rgb(frame)
        except ValueError as error:
            raise InputError(f"video: the image cannot be decoded: {error}.") from error
    picture = _array("video", frame)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(
            f"video: a frame has shape {picture.shape} and type {picture.dtype}; expected (H, W, 3), uint8 RGB."
        )
    if fault := size_fault(picture.shape[1], picture.shape[0]):
        raise InputError(f"video: {fault}.")
    return picture


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a ragged list; a tensor on a GPU, or with a gradient
        raise InputError(f"{name}: it does not become an array: {str(error)[:200]}.") from error
