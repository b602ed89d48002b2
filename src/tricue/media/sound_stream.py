"""The sound of a recording of any length, from its beginning to its end, in a few megabytes of memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from tricue.media.container import MediaError, frames_of, opened, reason_of, streams_of, unchanged
from tricue.media.sound import Sound

_BLOCK = 10.0  # seconds that are held before they are handed on
_PAUSE = 0.1  # seconds between two frames from which they are not one sound; times are not exact to less


def sound_blocks(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Blocks of the audio stream (`choose_stream`) in their order: seconds at which each begins, and (samples,) float32
    at 16 kHz, mono, up to about 10 s. Where the stream pauses, so do they; frames that cannot be decoded are left out.

    Raises MediaError where the file cannot be opened or read to its end, or gives no sound.
    """
    damage: dict[int, str] = {}
    heard = False
    with unchanged(path), opened(path) as container:
        stream, _ = streams_of(container)
        if stream is None:
            raise MediaError("the file has no audio stream of a known codec", path)
        for begins, sound in _runs(frames_of(container, {stream.index}, 0.0, damage), damage):
            wave = sound.wave()
            if wave.size:
                heard = True
                yield begins, wave
    if not heard:
        reason = f": {damage[stream.index]}" if damage else ""
        raise MediaError(f"no sound can be decoded{reason}", path)


def _runs(frames: Iterator[tuple[int, Any, float]], damage: dict[int, str]) -> Iterator[tuple[float, Sound]]:
    """Frames that follow one another, at most `_BLOCK` seconds of them, and the time at which they begin."""
    begins = 0.0
    sound = Sound(begins, None, None)
    for index, frame, time in frames:
        if abs(time - sound.until) > _PAUSE or time - begins >= _BLOCK:
            yield begins, sound
            begins = max(0.0, time)
            sound = Sound(begins, None, None)
        try:
            sound.add(frame, time)
        except (av.error.FFmpegError, ValueError) as error:  # one frame is lost; the next begins another run
            damage.setdefault(index, reason_of(error))
    yield begins, sound
