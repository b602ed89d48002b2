"""One uploaded file as the service sees it: through a decoder, within limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tricue.features.media import Clip, MediaError
from tricue.recording.segments import Segment
from tricue.recording.subtitles import Subtitles
from tricue.serve.decoders import Decoders
from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits


@dataclass(frozen=True)
class Look:
    """What the header of a clip says."""

    seconds: float
    sound: bool
    pixels: int  # of a picture; 0: there is none


class Upload:
    """A clip, and its subtitles if any. All passes over it together have limits.decode_seconds.

    Methods raise Refusal: 413 beyond a limit, 422 for what cannot be read, 503 where no decoder can be had, 504 for
    what takes too long.
    """

    def __init__(self, path: Path, decoders: Decoders, limits: Limits) -> None:
        self.path, self._decoders, self._limits = path, decoders, limits
        self._left = limits.decode_seconds

    def look(self) -> Look:
        told, _ = self._ask(do="look", path=self.path)
        if "error" in told:
            raise unreadable(f"The file cannot be decoded: {told['error']}.")
        width, height = told["size"] or (0, 0)
        if width * height > self._limits.pixels:
            reason = f"Its pictures have {width} x {height} pixels: give {self._limits.pixels:,} at most."
            raise Refusal(413, "too_many_pixels", reason)
        if told["seconds"] > self._limits.seconds:
            reason = f"It lasts {told['seconds']:.0f} s: give {self._limits.seconds:g} s at most."
            raise Refusal(413, "too_long", reason)
        return Look(told["seconds"], told["sound"], width * height)

    def decode(self, **how: Any) -> Clip:
        """As `media.decode`, whose arguments these are. Raises MediaError, too."""
        if how.get("max_seconds") is None:  # a header may say less than there is
            how["max_seconds"] = self._limits.seconds
        told, arrays = self._ask(do="clip", path=self.path, how=how)
        if "error" in told:
            raise MediaError(told["error"])
        sound = np.frombuffer(arrays.pop(0), np.float32).copy() if told["sound"] else None
        frames = None
        if told["shapes"] is not None:
            shaped = zip(arrays, told["shapes"], strict=True)
            frames = [np.frombuffer(array, np.uint8).reshape(shape).copy() for array, shape in shaped]
        return Clip(sound, frames, told["faults"], told["notes"])

    def sound(self) -> np.ndarray:
        """(samples,) float32 at 16 kHz, mono: all of it, pauses as silence."""
        try:
            wave = self.decode(audio=True).audio
        except MediaError as error:
            raise unreadable(f"The sound cannot be decoded: {error.reason}.") from error
        return np.zeros(0, np.float32) if wave is None else wave

    def subtitles(self, path: Path) -> Subtitles:
        told, _ = self._ask(do="words", path=path)
        if "error" in told:
            raise Refusal(422, "bad_subtitles", f"The subtitles cannot be read: {told['error']}")
        return Subtitles([Segment(*cue) for cue in told["segments"]], tuple(told["notices"]))

    def _ask(self, **asked: Any) -> tuple[dict[str, Any], list[bytes]]:
        told, arrays, took = self._decoders.ask(
            {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}, self._left
        )  # fmt: skip
        self._left -= took
        return told, arrays


def unreadable(reason: str) -> Refusal:
    return Refusal(422, "undecodable", reason)
