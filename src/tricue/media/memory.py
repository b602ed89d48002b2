"""Sound and pictures that are in memory already, made what `decode` makes of a file."""

from collections.abc import Sequence

import av
import numpy as np

from tricue.media.decoding import Clip, take_sound
from tricue.media.keyframes import KeyFrames
from tricue.media.sound import Sound
from tricue.types import Side


def resample(samples: np.ndarray, sample_rate: int, max_seconds: float | None) -> Clip:
    """(samples,) floats or int16 at `sample_rate` Hz -> float32 at SAMPLE_RATE; a note where `max_seconds` cuts it.

    A second at a time, so that no more is converted than is read.
    """
    clip, taker = Clip(), Sound(0.0, None, max_seconds)
    scale = np.float32(2.0**-15 if samples.dtype == np.int16 else 1.0)
    for first in range(0, len(samples), sample_rate):
        part = np.ascontiguousarray(samples[first : first + sample_rate], np.float32) * scale
        frame = av.AudioFrame.from_ndarray(part[None], "fltp", "mono")
        frame.sample_rate = sample_rate
        if taker.add(frame, first / sample_rate):
            break
    clip.audio = take_sound(taker, clip)
    return clip


def choose_frames(frames: Sequence[np.ndarray], count: int, crop: Side | None = None) -> Clip:
    """(H, W, 3) uint8 RGB each -> up to `count` key frames, as of a video that shows each for as long."""
    taker = KeyFrames(0.0, float(len(frames)), count, crop)
    for time, frame in enumerate(frames):
        taker.add(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24"), float(time))
    return Clip(frames=taker.pictures())
