"""One uploaded file as the service sees it: through a decoder, within limits."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tricue.features.worker import Job, Ready
from tricue.media.decoding import SAMPLE_RATE
from tricue.modalities.reading import MediaFile
from tricue.recording.segments import Segment
from tricue.recording.subtitles import Subtitles
from tricue.serve.decoders import Decoders
from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits
from tricue.serve.signals import as_ready


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
        told, _ = self._ask(0, do="look", path=self.path)
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

    def prepare(self, job: Job) -> list[Ready]:
        """As `Worker.prepare`, of a time span of this upload, in a decoder."""
        preparing = self._decoders.preparing
        assert preparing is not None  # decoders of a model that reads words alone are not asked
        (file,) = {request.opener for request in job.requests.values()}
        assert isinstance(file, MediaFile)
        assert file.path == self.path
        told, arrays = self._ask(
            preparing.room, do="prepare", path=file.path, modalities=list(job.keys), start=file.start, end=file.end
        )
        if "error" in told:
            return [Ready(job.id, modality, key, None, told["error"]) for modality, key in job.keys.items()]
        try:
            return as_ready(told, arrays, preparing, job)
        except (ValueError, TypeError, KeyError) as error:  # whoever has taken it over may say anything
            raise unreadable(f"A decoder gave back what no encoder reads ({error}).") from error

    def sound(self) -> tuple[np.ndarray, str | None]:
        """(samples,) float32 at 16 kHz, mono: all of it, pauses as silence; and what to know of it."""
        seconds = self._limits.seconds  # a header may say less than there is
        told, arrays = self._ask(4 * math.ceil(seconds * SAMPLE_RATE), do="hear", path=self.path, seconds=seconds)
        if "error" in told:
            raise unreadable(f"The sound cannot be decoded: {told['error']}.")
        return (arrays[0] if arrays else np.zeros(0, np.float32)), told.get("note")

    def subtitles(self, path: Path, seconds: float) -> Subtitles:
        """Those of a recording of so many seconds."""
        most, characters = self._limits.segments, self._limits.all_characters
        told, _ = self._ask(0, do="words", path=path, seconds=seconds, segments=most, characters=characters)
        if "error" in told:
            raise Refusal(422, "bad_subtitles", f"The subtitles cannot be read: {told['error']}")
        if "outside" in told:
            raise Refusal(422, "no_segments", told["outside"])
        if told["kept"] > most:
            raise too_many(told["kept"], most)
        if told["characters"] > characters:
            reason = f"The subtitles have {told['characters']:,} characters: give {characters:,} at most."
            raise Refusal(413, "too_long", reason)
        notices = list(told["notices"])
        if left_out := told["given"] - told["kept"]:
            notices.append(f"{left_out} of {told['given']} segments left out: outside the recording, or without length")
        return Subtitles([Segment(*cue) for cue in told["segments"]], tuple(notices))

    def _ask(self, room: int, **asked: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
        """room: bytes that its arrays may have."""
        told, arrays, took = self._decoders.ask(
            {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()},
            self._left, room,
        )  # fmt: skip
        self._left -= took
        return told, arrays


def too_many(segments: int, most: int) -> Refusal:
    return Refusal(413, "too_many", f"{segments:,} segments: give {most:,} at most, e.g. longer windows.")


def unreadable(reason: str) -> Refusal:
    return Refusal(422, "undecodable", reason)
