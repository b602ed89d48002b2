"""Reading media files: one pass gives 16 kHz mono sound and key frames (PyAV).

Times are seconds from the beginning of playback.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from tricue.files.atomic import file_status
from tricue.media.container import (
    GUESSED,
    MediaError,
    Probe,
    duration_of,
    frames_of,
    opened,
    origin_of,
    packets_of,
    playing_time,
    probe,
    reason_of,
    streams_of,
    unchanged,
)  # fmt: skip
from tricue.media.formats import STILLS
from tricue.media.keyframes import MAX_PIXELS, KeyFrames, UnreadableError, size_fault
from tricue.media.packets import Extent
from tricue.media.sound import SAMPLE_RATE, Sound
from tricue.media.stills import read_still
from tricue.media.streams import stream_note
from tricue.types import ModalityName, Side

__all__ = ["MAX_PIXELS", "SAMPLE_RATE", "Clip", "MediaError", "Probe", "content_digest", "decode", "probe"]

NO_MEMORY = "it needs more memory than there is"
_ENOUGH = 0.5  # share of a damaged stream that has to be readable
_WHOLE = 0.9  # share from which a stream without damage is whole: headers are not exact
_SLACK = 0.1  # seconds; what is less is not missed: a clip may be shorter than a frame of its codec
_UNFINISHED = 2**30  # frames that FFmpeg writes into an AVI's header before it knows: into a pipe, or killed
_NO_SIZE = f"its size is unknown, or beyond {MAX_PIXELS:,} pixels"  # FFmpeg does not tell one that it refuses
_TICK = 1e-4  # seconds; `start` as a decimal fraction may lie a hair after the frame that is meant


@dataclass
class Clip:
    """The signals of one utterance. A stream that was asked for and is None has its reason in `faults`."""

    audio: np.ndarray | None = None  # (samples,) float32 at SAMPLE_RATE, mono
    frames: list[np.ndarray] | None = None  # up to k key frames in time order, (H, W, 3) uint8 RGB
    faults: dict[ModalityName, str] = field(default_factory=dict)
    notes: dict[ModalityName, str] = field(default_factory=dict)  # the signal is there; what to know of it

    def note(self, modality: ModalityName, reason: str) -> None:
        """Add a note to those of the modality."""
        self.notes[modality] = f"{self.notes[modality]}; {reason}" if modality in self.notes else reason


def decode(
    path: Path,
    *,
    start: float | None = None,
    end: float | None = None,
    audio: bool = True,
    frames: int = 0,
    crop: Side | None = None,
    max_seconds: float | None = None,
) -> Clip:
    """Sound (`audio`) and up to `frames` key frames (KeyFrames) of [start, end), in one pass.

    crop: the half of the picture that is looked at. Sound beyond `max_seconds` is left out, with a note. A stream that
    is damaged or ends early counts while half of what its header promises can be read, with a note; so has the choice
    among several streams of a kind (`choose_stream`), and channels that cancel one another (`DownMix`). A still image
    is the one frame of any time.
    Raises MediaError where the file cannot be opened, fails to be read (a disk, a net, too little memory) or changes
    meanwhile; a stream that gives nothing is named in `Clip.faults`.
    """
    clip = Clip()
    takers: dict[int, Sound | KeyFrames] = {}
    try:
        with unchanged(path), opened(path) as container:
            sound, picture = streams_of(container)
            if audio and sound is None:
                clip.faults["audio"] = "the file has no audio stream of a known codec"
            elif audio:
                takers[sound.index] = Sound(start or 0.0, end, max_seconds)
            if frames and picture is None:
                clip.faults["video"] = "the file has no video stream of a known codec"
            elif frames and (fault := size_fault(picture.width, picture.height)):
                clip.faults["video"] = fault
            elif frames and container.format.name in STILLS:
                _take_still(path, picture, clip, crop)
            elif frames:
                takers[picture.index] = KeyFrames(*_span(path, container, start, end), frames, crop)
            damage = _run(container, takers, start or 0.0)
            part = start is not None or end is not None
            for index, taker in takers.items():
                promised = _promised(container, index, start or 0.0, end)
                _take(taker, clip, container.streams[index], damage.get(index), promised, part)
    except MemoryError as error:
        raise MediaError(NO_MEMORY, path, passing=True) from error
    return clip


def picture_span(path: Path, start: float | None, end: float | None) -> tuple[float, float]:
    """The seconds of [start, end) in which there are pictures, which `decode` parts for its key frames; equal where
    there are none. Raises MediaError where the file cannot be read."""
    with unchanged(path), opened(path) as container:
        if container.format.name in STILLS:
            return 0.0, 0.0
        low, high = _span(path, container, start, end)
    return low + _TICK, high + _TICK


def sound_note(path: Path) -> str | None:
    """Which of several audio streams is read; None where there is no choice. Raises MediaError where the file cannot be
    opened."""
    with opened(path) as container:
        sound, _ = streams_of(container)
        return None if sound is None else stream_note(container.streams.audio, sound)


def content_digest(path: Path) -> str:
    """SHA-256 of a media file's bytes, in hex. Raises OSError where it cannot be read, ValueError for an odd name."""
    status = file_status(path)
    return _digest_of_bytes(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2**17)
def _digest_of_bytes(path: Path, size: int, modified_ns: int) -> str:
    """Once per file and process: the utterances of a long recording share it, and so do sound and picture."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _promised(container: Any, index: int, start: float, end: float | None) -> float | None:
    """Seconds of [start, end) that the stream's header says there are; None where it does not say."""
    stream = container.streams[index]
    if stream.duration is None or container.format.name in GUESSED or stream.frames == _UNFINISHED:
        return None
    length = float(stream.duration * stream.time_base)
    return (length if end is None else min(end, length)) - start


def _span(path: Path, container: Any, start: float | None, end: float | None) -> tuple[float, float]:
    """Where the pictures of [start, end) begin and end.

    A length is trusted only to say that `end` lies inside: a cut file keeps its old one, other streams may be longer.
    Otherwise the packets are read through once without decoding.
    """
    if end is not None:
        length = duration_of(container)
        if length is None or container.format.name in GUESSED:
            length = playing_time(path)
        if end <= length:
            return (start or 0.0) - _TICK, end - _TICK
    extent = Extent()
    with opened(path) as scanned, suppress(av.error.FFmpegError):  # cut: what came before is its span
        _, picture = streams_of(scanned)
        for packet in packets_of(scanned, [picture], start or 0.0):
            extent.add(packet)
    if extent.first is None or extent.end is None:
        return 0.0, 0.0
    low = max(0.0, extent.first - origin_of(container)) if start is None else start
    high = extent.end - origin_of(container)
    return low - _TICK, (high if end is None else min(end, high)) - _TICK


def _run(container: Any, takers: dict[int, Sound | KeyFrames], start: float) -> dict[int, str]:
    """Feed every decoded frame to its taker until all are done; the first damage met in each stream."""
    damage: dict[int, str] = {}
    waiting = set(takers)
    if not waiting:
        return damage
    for index, frame, time in frames_of(container, waiting, start, damage):
        try:
            if takers[index].add(frame, time):
                waiting.discard(index)
        except UnreadableError as error:
            damage[index] = reason_of(error)
            waiting.discard(index)
        except (av.error.FFmpegError, ValueError) as error:  # one frame is lost
            damage.setdefault(index, reason_of(error))
    return damage


def _take(
    taker: Sound | KeyFrames, clip: Clip, stream: Any, damage: str | None, promised: float | None, part: bool
) -> None:
    """Put into the clip what the taker has, with what is to be said of it."""
    container = stream.container
    if isinstance(taker, Sound):
        modality: ModalityName = "audio"
        note = stream_note(container.streams.audio, stream)
        clip.audio = take_sound(taker, clip, damage, promised, part)
    else:
        modality, note = "video", stream_note(container.streams.video, stream)
        if not (stream.width or taker.count):
            damage = _NO_SIZE
        clip.frames = _pictures(taker, clip, damage, promised, part)
    if modality in clip.faults:
        clip.notes.pop(modality, None)
    elif note is not None:
        clip.note(modality, note)


def _take_still(path: Path, stream: Any, clip: Clip, crop: Side | None) -> None:
    try:
        if not stream.width:
            raise ValueError(_NO_SIZE)
        clip.frames = [read_still(path, crop)]
    except ValueError as error:
        clip.faults["video"] = _nothing("picture", str(error), False)


def take_sound(
    taker: Sound, clip: Clip, damage: str | None = None, promised: float | None = None, part: bool = False
) -> np.ndarray | None:
    """The waveform (samples,) that the taker has, with notes to the clip; None where there is none, with its fault."""
    wave = taker.wave()
    if taker.note is not None:
        clip.note("audio", taker.note)
    seconds = wave.size / SAMPLE_RATE
    if not wave.size:
        clip.faults["audio"] = _nothing("sound", damage, part)
        return None
    if taker.max_seconds is not None and promised is not None:
        promised = min(promised, taker.max_seconds)
    # a stream may pause or begin late: without damage it counts how far it goes, not how much there is
    read = seconds - taker.silence if damage else max(seconds, taker.until - taker.low)
    if not _enough("audio", clip, damage, max(0.0, read), promised):
        return None
    if taker.max_seconds is not None and seconds > taker.max_seconds:
        clip.note("audio", f"longer than {taker.max_seconds:g} s: only its beginning is read")
        wave = wave[: int(taker.max_seconds * SAMPLE_RATE)]
    return wave


def _pictures(
    taker: KeyFrames, clip: Clip, damage: str | None, promised: float | None, part: bool
) -> list[np.ndarray] | None:
    if taker.count < 2:
        single = f"only a single picture can be decoded: {damage}" if damage else "its video is a single frame"
        clip.faults["video"] = single if taker.count else _nothing("picture", damage, part)
        return None
    if not _enough("video", clip, damage, taker.until - taker.low, promised):
        return None
    try:
        return taker.pictures()
    except (av.error.FFmpegError, ValueError) as error:
        clip.faults["video"] = f"its pictures are not converted: {reason_of(error)}"
        return None


def _enough(modality: ModalityName, clip: Clip, damage: str | None, read: float, promised: float | None) -> bool:
    """Whether a stream gives enough to stand for the utterance; faults or notes what is lacking."""
    share = 1.0 if promised is None or promised - read < _SLACK else read / promised
    if damage is None and share >= _WHOLE:
        return True
    reason = damage or "the file ends early"
    if share < _ENOUGH:
        clip.faults[modality] = f"only {read:.2f} of {promised:.2f} s can be decoded: {reason}"
        return False
    clip.note(modality, f"partly damaged: {reason}")
    return True


def _nothing(what: str, damage: str | None, part: bool) -> str:
    if damage:
        return f"no {what} can be decoded: {damage}"
    return f"there is no {what} in its time span" if part else f"its stream holds no {what}"
