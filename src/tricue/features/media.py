"""The only room that opens media files: one pass gives 16 kHz mono sound and key frames (PyAV).

Times are seconds from the beginning of playback.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from tricue.features.keyframes import KeyFrames
from tricue.features.sound import PREROLL, SAMPLE_RATE, Sound
from tricue.types import Cue, InputError, Side

MAX_PIXELS = 36_000_000  # an 8K picture; a small file can claim far more and would cost gigabytes at open
MAX_ASPECT = 20  # long by short side: scaled to a model's input, a thin picture would grow to gigabytes
_FORMATS = (  # FFmpeg's demuxers of self-contained files; playlists (concat, hls, dash) would read other files
    "mov,matroska,avi,wav,w64,rf64,aiff,caf,flac,ogg,mp3,aac,ac3,amr,au,mpegts,mpeg,mpegvideo,m4v,h264,hevc,"
    "flv,asf,dv,mxf,rm,gif,png_pipe,jpeg_pipe,yuv4mpegpipe"
)
# bare streams in which no length is written: what FFmpeg says of it is a guess from the first bit rate
_GUESSED = frozenset(["aac", "ac3", "amr", "mp3", "h264", "hevc", "m4v", "mpegvideo"])
_ENOUGH = 0.5  # share of a damaged stream that has to be readable
_WHOLE = 0.9  # share from which a stream without damage is whole: headers are not exact
_SLACK = 0.1  # seconds; what is less is not missed: a clip may be shorter than a frame of its codec
_TICK = 1e-4  # seconds; `start` as a decimal fraction may lie a hair after the frame that is meant


class MediaError(InputError):
    """A file, or one of its streams, gives no signal; `reason` says why without naming the file.

    passing: the machine refused, not the file's content: another time it may be read.
    """

    def __init__(self, reason: str, path: Path | None = None, passing: bool = False) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason, self.passing = reason, passing


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
            _duration(container),
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
    crop: Side | None = None,
    max_seconds: float | None = None,
) -> Clip:
    """Sound (`audio`) and up to `frames` key frames (KeyFrames) of [start, end), in one pass.

    crop: the half of the picture that is looked at. Sound beyond `max_seconds` is left out, with a note. A stream that
    is damaged or ends early counts while half of what its header promises can be read, with a note.
    Raises MediaError where the file cannot be opened, fails to be read (a disk, a net) or changes meanwhile; a stream
    that gives nothing is named in `Clip.faults`.
    """
    clip = Clip()
    takers: dict[int, Sound | KeyFrames] = {}
    with _unchanged(path), _open(path) as container:
        sound, picture = _streams(container)
        if audio and sound is None:
            clip.faults["audio"] = "the file has no audio stream of a known codec"
        elif audio:
            takers[sound.index] = Sound(start or 0.0, end, max_seconds)
        if frames and picture is None:
            clip.faults["video"] = "the file has no video stream of a known codec"
        elif frames and picture.width * picture.height > MAX_PIXELS:
            clip.faults["video"] = f"its pictures have more than {MAX_PIXELS:,} pixels"
        elif frames and max(picture.width, picture.height) > MAX_ASPECT * min(picture.width, picture.height):
            clip.faults["video"] = f"its pictures are more than {MAX_ASPECT} times as long as they are short"
        elif frames:
            takers[picture.index] = KeyFrames(*_span(path, container, start, end), frames, crop)
        damage = _run(container, takers, start or 0.0)
        promised = {index: _promised(container, index, start or 0.0, end) for index in takers}
        if picture is not None and picture.index in takers and not picture.width:
            # a decoder refuses what is too large before it tells the size
            damage[picture.index] = f"its size is unknown, or beyond {MAX_PIXELS:,} pixels"
    part = start is not None or end is not None
    for index, taker in takers.items():
        if isinstance(taker, Sound):
            clip.audio = _sound(taker, clip, damage.get(index), promised[index], part)
        else:
            clip.frames = _pictures(taker, clip, damage.get(index), promised[index], part)
    return clip


def content_digest(path: Path) -> str:
    """SHA-256 of a media file's bytes, in hex. Raises OSError where it cannot be read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")  # a device or a pipe could be read for ever
    return _digest_of_bytes(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2**17)
def _digest_of_bytes(path: Path, size: int, modified_ns: int) -> str:
    """Once per file and process: the utterances of a long recording share it, and so do sound and picture."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change. Raises MediaError where there is no regular file."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError("no such file", path, passing=True) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise MediaError(f"it cannot be opened: {_reason(error)}", path, passing=True) from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("not a regular file", path, passing=True)
    return status.st_size, status.st_mtime_ns


@contextmanager
def _unchanged(path: Path) -> Iterator[None]:
    """Raises MediaError, and in place of any other, where the file is not the same after as before."""
    before = _stamp(path)
    try:
        yield
    finally:
        if _stamp(path) != before:
            raise MediaError("it was changed while it was read", path, passing=True)


def _open(path: Path) -> Any:
    size, _ = _stamp(path)
    if size == 0:
        raise MediaError("the file is empty (0 bytes)", path)
    try:
        return av.open(
            str(path.absolute()),  # as it is, `http:a.mp4` would be fetched and `12:30.mp4` be of no protocol
            options={"max_pixels": str(MAX_PIXELS), "format_whitelist": _FORMATS},
            metadata_errors="replace",  # a title in Latin-1 says nothing against the sound
        )
    except av.error.ArgumentError as error:
        raise MediaError("it is not in a media format that is read here", path) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = f"it cannot be opened as media: {_reason(error)}"
        raise MediaError(reason, path, passing=isinstance(error, OSError)) from error


def _streams(container: Any) -> tuple[Any, Any]:
    """The first audio and the first true video stream (a cover picture is none) whose codec is known."""
    sound = next((s for s in container.streams.audio if s.codec_context is not None), None)
    pictures = (
        s
        for s in container.streams.video
        if s.codec_context is not None and not s.disposition & Disposition.attached_pic
    )
    picture = next(pictures, None)
    for stream in (sound, picture):
        if stream is not None:
            stream.codec_context.thread_count = 1  # clips are spread over processes, not threads
    if picture is not None:
        picture.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return sound, picture


def _duration(container: Any) -> float | None:
    return None if container.duration is None else container.duration / av.time_base


def _promised(container: Any, index: int, start: float, end: float | None) -> float | None:
    """Seconds of [start, end) that the stream's header says there are; None where it does not say."""
    stream = container.streams[index]
    if stream.duration is None or container.format.name in _GUESSED:
        return None
    length = float(stream.duration * stream.time_base)
    return (length if end is None else min(end, length)) - start


def _origin(container: Any) -> float:
    return (container.start_time or 0) / av.time_base


def _span(path: Path, container: Any, start: float | None, end: float | None) -> tuple[float, float]:
    """Where the pictures of [start, end) begin and end.

    A header is trusted only to say that `end` lies inside: a cut file keeps its old duration, a browser's
    webm has none. Otherwise the packets are read through once without decoding.
    """
    length = _duration(container)
    if end is not None and length is not None and end <= length:
        return (start or 0.0) - _TICK, end - _TICK
    first, last = np.inf, -np.inf
    with _open(path) as scanned, suppress(av.error.FFmpegError):  # cut: what came before is its span
        _, picture = _streams(scanned)
        for packet in _packets(scanned, [picture], start or 0.0):
            if packet.pts is not None:
                ticks = packet.pts + (packet.duration or 1)
                first = min(first, float(packet.pts * packet.time_base))
                last = max(last, float(ticks * packet.time_base))
    if first > last:
        return 0.0, 0.0
    low = first - _origin(container) if start is None else start
    high = last - _origin(container)
    return low - _TICK, (high if end is None else min(end, high)) - _TICK


def _packets(container: Any, streams: list[Any], start: float) -> Iterator[Any]:
    """Packets from the key frame before `start` on. Raises MediaError where not the content but its reading fails."""
    if start > 2 * PREROLL:
        with suppress(av.error.FFmpegError):  # not seekable: read from the beginning, as exact and slower
            container.seek(int((start - PREROLL + _origin(container)) * av.time_base))
    try:
        yield from container.demux(streams)
    except OSError as error:  # FFmpeg's are among them; damaged content is InvalidDataError or MemoryError
        reason = f"it cannot be read to its end: {_reason(error)}"
        raise MediaError(reason, Path(container.name), passing=True) from error


def _run(container: Any, takers: dict[int, Sound | KeyFrames], start: float) -> dict[int, str]:
    """Feed every decoded frame to its taker until all are done; the first damage met in each stream."""
    damage: dict[int, str] = {}
    waiting = set(takers)
    if not waiting:
        return damage
    origin = _origin(container)
    packets = _packets(container, [container.streams[i] for i in sorted(waiting)], start)
    while waiting:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:  # the rest of the file is lost
            return {index: _reason(error) for index in waiting} | damage
        if packet is None:
            return damage
        index = packet.stream_index
        if index not in waiting:
            continue
        try:
            for frame in packet.decode():
                if frame.time is None:
                    damage.setdefault(index, "frames without a time")
                elif takers[index].add(frame, frame.time - origin):
                    waiting.discard(index)
        except (av.error.FFmpegError, ValueError) as error:  # one packet is lost
            damage.setdefault(index, _reason(error))
    return damage


def _sound(
    taker: Sound, clip: Clip, damage: str | None, promised: float | None, part: bool
) -> np.ndarray | None:
    wave = taker.wave()
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
        clip.notes["audio"] = f"longer than {taker.max_seconds:g} s: only its beginning is read"
        wave = wave[: int(taker.max_seconds * SAMPLE_RATE)]
    return wave


def _pictures(
    taker: KeyFrames, clip: Clip, damage: str | None, promised: float | None, part: bool
) -> list[np.ndarray] | None:
    if taker.count < 2:
        nothing = _nothing("picture", damage, part)
        clip.faults["video"] = "its video is a single frame" if taker.count else nothing
        return None
    if not _enough("video", clip, damage, taker.until - taker.low, promised):
        return None
    return taker.pictures()


def _enough(cue: Cue, clip: Clip, damage: str | None, read: float, promised: float | None) -> bool:
    """Whether a stream gives enough to stand for the utterance; faults or notes what is lacking."""
    share = 1.0 if promised is None or promised - read < _SLACK else read / promised
    if damage is None and share >= _WHOLE:
        return True
    reason = damage or "the file ends early"
    if share < _ENOUGH:
        clip.faults[cue] = f"only {read:.2f} of {promised:.2f} s can be decoded: {reason}"
        return False
    clip.notes[cue] = f"partly damaged: {reason}"
    return True


def _nothing(what: str, damage: str | None, part: bool) -> str:
    if damage:
        return f"no {what} can be decoded: {damage}"
    return f"there is no {what} in its time span" if part else f"its stream holds no {what}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
