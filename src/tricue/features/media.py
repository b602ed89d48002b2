"""The only room that opens media files: one pass gives 16 kHz mono sound and key frames (PyAV).

Times are seconds from the beginning of playback. Pictures are turned as the file's rotation says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from tricue.types import Cue, InputError

SAMPLE_RATE = 16_000
MAX_PIXELS = 36_000_000  # an 8K picture; a small file can claim far more and would cost gigabytes at open
_PREROLL = 0.5  # seconds decoded before `start`: an AAC frame needs the one before it
_ENOUGH = 0.5  # share of a damaged stream that has to be readable


class MediaError(InputError):
    """A file, or one of its streams, gives no signal; `reason` says why without naming the file."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason


@dataclass(frozen=True)
class Probe:
    """What a media file says of itself; None: it has no such stream, or does not say."""

    seconds: float | None
    sample_rate: int | None
    size: tuple[int, int] | None  # width, height in pixels, before rotation
    fps: float | None


@dataclass
class Clip:
    """The signals of one utterance. A stream that was asked for and is None has its reason in `faults`."""

    audio: np.ndarray | None = None  # (samples,) float32 at SAMPLE_RATE, mono
    frames: list[np.ndarray] | None = None  # up to k key frames in time order, (H, W, 3) uint8 RGB
    faults: dict[Cue, str] = field(default_factory=dict)
    notes: dict[Cue, str] = field(default_factory=dict)  # the signal is there but not whole


def probe(path: Path) -> Probe:
    """Read the header of a media file. Raises MediaError where it cannot be opened."""
    with _open(path) as container:
        sound, picture = _streams(container)
        return Probe(
            None if container.duration is None else container.duration / av.time_base,
            sound.sample_rate if sound else None,
            (picture.width, picture.height) if picture else None,
            float(picture.average_rate) if picture and picture.average_rate else None,
        )


def decode(
    path: Path,
    *,
    start: float | None = None,
    end: float | None = None,
    audio: bool = True,
    frames: int = 0,
    max_seconds: float | None = None,
) -> Clip:
    """Sound (`audio`) and up to `frames` key frames of [start, end), in one pass.

    Key frames: the span is cut in `frames` equal bins and each gives its frame of highest gray-level entropy
    (256 bins; the first on ties). One frame per bin is held, whatever the clip's length. Sound beyond
    `max_seconds` is left out, with a note.
    Raises MediaError where nothing can be read; a single stream that is missing is named in `Clip.faults`.
    """
    clip = Clip()
    low = start or 0.0
    with _open(path) as container:
        sound_stream, picture_stream = _streams(container)
        sound = pictures = None
        if audio and sound_stream is None:
            clip.faults["audio"] = "the file has no audio stream"
        elif audio:
            sound = _Sound(low, end, max_seconds)
        if frames and picture_stream is None:
            clip.faults["video"] = "the file has no video stream"
        elif frames and picture_stream.width * picture_stream.height > MAX_PIXELS:
            clip.faults["video"] = f"its pictures have more than {MAX_PIXELS:,} pixels"
        elif frames:
            pictures = _Pictures(*_span(path, container, start, end), frames)
        takers = {s.index: t for s, t in ((sound_stream, sound), (picture_stream, pictures)) if t is not None}
        damage = _run(container, takers, low)
        claimed = _claimed(container, low, end)
    if sound:
        clip.audio = sound.finish(clip, damage, claimed)
    if pictures:
        clip.frames = pictures.finish(clip, damage, claimed)
    return clip


def _open(path: Path) -> Any:
    if not path.is_file():
        raise MediaError("no such file", path)
    if path.stat().st_size == 0:
        raise MediaError("the file is empty (0 bytes)", path)
    try:
        return av.open(str(path), options={"max_pixels": str(MAX_PIXELS)})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"it cannot be opened as media: {_reason(error)}", path) from error


def _streams(container: Any) -> tuple[Any, Any]:
    """The first audio and the first true video stream (a cover picture is none)."""
    sound = next(iter(container.streams.audio), None)
    pictures = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    picture = next(pictures, None)
    for stream in (sound, picture):
        if stream is not None:
            stream.codec_context.thread_count = 1  # clips are spread over processes, not threads
    if picture is not None:
        picture.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return sound, picture


def _run(container: Any, takers: dict[int, Any], low: float) -> str | None:
    """Feed every decoded frame to its taker until all are done; the first fault on the way, if any."""
    damage: str | None = None
    origin = _origin(container)
    waiting = set(takers)
    if not waiting:
        return None
    packets = _packets(container, [container.streams[i] for i in waiting], low + origin)
    while waiting:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            if packet.stream_index not in waiting:
                continue
            for frame in packet.decode():
                if takers[packet.stream_index].add(frame, origin):
                    waiting.discard(packet.stream_index)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            damage = damage or _reason(error)
    return damage


def _packets(container: Any, streams: list[Any], start: float) -> Iterator[Any]:
    """Packets from the key frame before `start` on."""
    if start > 2 * _PREROLL:
        container.seek(int((start - _PREROLL) * av.time_base))
    yield from container.demux(streams)


def _origin(container: Any) -> float:
    return (container.start_time or 0) / av.time_base


def _claimed(container: Any, low: float, end: float | None) -> float | None:
    """Seconds that the header promises for the span."""
    if container.duration is None:
        return None if end is None else end - low
    length = container.duration / av.time_base
    return (length if end is None else min(end, length)) - low


def _span(path: Path, container: Any, start: float | None, end: float | None) -> tuple[float, float]:
    """Where the pictures of [start, end) begin and end.

    Headers are trusted only to say that `end` lies inside: a cut file keeps its old duration, a browser's
    webm has none. Otherwise the packets are read through once without decoding.
    """
    if end is not None and container.duration is not None and end <= container.duration / av.time_base:
        return start or 0.0, end
    times: list[float] = []
    with _open(path) as scanned:
        _, picture = _streams(scanned)
        try:
            for packet in _packets(scanned, [picture], (start or 0.0) + _origin(scanned)):
                if packet.pts is not None:
                    last = (packet.pts + (packet.duration or 0)) * packet.time_base
                    times += [float(packet.pts * packet.time_base), float(last)]
                    times = [min(times), max(times)]
        except (av.error.FFmpegError, OSError):  # a cut file: what came before is its span
            pass
        times = [time - _origin(scanned) for time in times] or [0.0, 0.0]
    last_time = times[1] if end is None else min(end, times[1])
    return (times[0] if start is None else start), last_time


class _Sound:
    """Collects the resampled sound of [low, high)."""

    def __init__(self, low: float, high: float | None, max_seconds: float | None) -> None:
        self.low, self.high, self.max_seconds = low, high, max_seconds
        self.first: float | None = None  # time of the first sample held
        self.parts: list[np.ndarray] = []
        self.samples = 0
        self.resampler: Any = None
        self.form: Any = None

    def add(self, frame: Any, origin: float) -> bool:
        """Take a decoded frame; True once the span is filled."""
        time = 0.0 if frame.time is None else frame.time - origin
        if time + frame.samples / frame.sample_rate < self.low - _PREROLL / 2:
            return False
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self.form:  # some streams change in the middle, which one resampler does not follow
            self._take(self.resampler.resample(None) if self.resampler else [])
            self.resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            self.form = form
        self.first = time if self.first is None else self.first
        self._take(self.resampler.resample(frame))
        held = self.first + self.samples / SAMPLE_RATE
        return (self.high is not None and held >= self.high) or (
            self.max_seconds is not None and held > self.low + self.max_seconds + _PREROLL
        )

    def _take(self, frames: list[Any]) -> None:
        for frame in frames:
            self.parts.append(frame.to_ndarray().reshape(-1).astype(np.float32))
            self.samples += self.parts[-1].size

    def finish(self, clip: Clip, damage: str | None, claimed: float | None) -> np.ndarray | None:
        if self.first is None or self.resampler is None:
            clip.faults["audio"] = _nothing("sound", damage)
            return None
        self._take(self.resampler.resample(None))
        wave = np.concatenate([*self.parts, np.zeros(0, np.float32)])
        begin = max(0, round((self.low - self.first) * SAMPLE_RATE))
        stop = None if self.high is None else max(0, round((self.high - self.first) * SAMPLE_RATE))
        wave = wave[begin:stop]
        if not wave.size:
            clip.faults["audio"] = _nothing("sound", damage)
            return None
        if not _whole("audio", clip, damage, wave.size / SAMPLE_RATE, claimed):
            return None
        if self.max_seconds is not None and wave.size > self.max_seconds * SAMPLE_RATE:
            clip.notes["audio"] = f"longer than {self.max_seconds:g} s: only its beginning is read"
            wave = wave[: int(self.max_seconds * SAMPLE_RATE)]
        return wave


class _Pictures:
    """Keeps the frame of highest entropy of each of `bins` equal parts of [low, high)."""

    def __init__(self, low: float, high: float, bins: int) -> None:
        self.low, self.high, self.bins = low, high, bins
        self.best: dict[int, tuple[float, Any]] = {}
        self.count = 0
        self.last = low
        self.gray = VideoReformatter()  # one for all frames: a new one each costs more than the decoding

    def add(self, frame: Any, origin: float) -> bool:
        """Take a decoded frame; True once the span is filled."""
        step = Fraction(1) / (frame.time_base or 1)
        time = self.last if frame.time is None else frame.time - origin
        if time < self.low - float(1 / (2 * step)):
            return False
        if time >= self.high:
            return self.count > 0 or time > self.high
        self.count += 1
        self.last = max(self.last, time)
        where = min(self.bins - 1, max(0, int((time - self.low) * self.bins / (self.high - self.low))))
        entropy = gray_entropy(self.gray.reformat(frame, format="gray", threads=1).to_ndarray())
        if where not in self.best or entropy > self.best[where][0]:
            self.best[where] = (entropy, frame)
        return False

    def finish(self, clip: Clip, damage: str | None, claimed: float | None) -> list[np.ndarray] | None:
        if self.count == 0:
            clip.faults["video"] = _nothing("picture", damage)
            return None
        if self.count == 1:
            clip.faults["video"] = "its video is a single frame"
            return None
        if not _whole("video", clip, damage, self.last - self.low, claimed):
            return None
        colour = VideoReformatter()
        return [
            np.rot90(
                colour.reformat(frame, format="rgb24", threads=1).to_ndarray(), round(frame.rotation / 90)
            )
            for _, (_, frame) in sorted(self.best.items())
        ]


def gray_entropy(gray: np.ndarray) -> float:
    """Shannon entropy in bits of an 8-bit picture's histogram (256 bins)."""
    counts = np.bincount(gray.reshape(-1), minlength=256)
    shares = counts[counts > 0] / gray.size
    return float(-(shares * np.log2(shares)).sum())


def _whole(cue: Cue, clip: Clip, damage: str | None, read: float, claimed: float | None) -> bool:
    """Whether a damaged stream still gives enough to stand for the utterance; notes or faults the damage."""
    if damage is None:
        return True
    if claimed is not None and read < _ENOUGH * claimed:
        clip.faults[cue] = f"only {read:.2f} of {claimed:.2f} s can be decoded: {damage}"
        return False
    clip.notes[cue] = f"partly damaged: {damage}"
    return True


def _nothing(what: str, damage: str | None) -> str:
    return f"no {what} can be decoded: {damage}" if damage else f"there is no {what} in its time span"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
