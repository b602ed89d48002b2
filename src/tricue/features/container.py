"""Opening media files: what they hold, their packets and frames (PyAV). `media` and `sound_stream` read through it.

Times are seconds from the beginning of playback.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from tricue.features.formats import DEMUXERS
from tricue.features.sound import PREROLL
from tricue.types import InvalidFileError

MAX_PIXELS = 36_000_000  # an 8K picture; a small file can claim far more and would cost gigabytes at open


class MediaError(InvalidFileError):
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


def probe(path: Path) -> Probe:
    """Read the header of a media file. Raises MediaError where it cannot be opened."""
    with opened(path) as container:
        sound, picture = streams_of(container)
        return Probe(
            duration_of(container),
            sound.sample_rate if sound else None,
            (picture.width, picture.height) if picture else None,
            float(picture.average_rate) if picture and picture.average_rate else None,
        )


def playing_time(path: Path) -> float:
    """Seconds that a recording lasts: as its header says, else (in what browsers record) until its last packet ends.

    Raises MediaError where it cannot be opened or read, or has neither sound nor picture.
    """
    with unchanged(path), opened(path) as container:
        if not any(found := streams_of(container)):
            raise MediaError("it has neither sound nor pictures of a known codec", path)
        seconds = duration_of(container)
        if seconds is not None:
            return seconds
        ends = [0.0]
        with suppress(av.error.FFmpegError):  # cut: what came before counts
            for packet in packets_of(container, [s for s in found if s], 0.0):
                if packet.pts is not None:
                    ends.append(float((packet.pts + (packet.duration or 0)) * packet.time_base))
        return max(ends) - origin_of(container)


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change. Raises MediaError where there is no regular file."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError("no such file", path, passing=True) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise MediaError(f"it cannot be opened: {reason_of(error)}", path, passing=True) from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("not a regular file", path, passing=True)
    return status.st_size, status.st_mtime_ns


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Raises MediaError, and in place of any other, where the file is not the same after as before."""
    before = _stamp(path)
    try:
        yield
    finally:
        if _stamp(path) != before:
            raise MediaError("it was changed while it was read", path, passing=True)


def opened(path: Path) -> Any:
    size, _ = _stamp(path)
    if size == 0:
        raise MediaError("the file is empty (0 bytes)", path)
    try:
        return av.open(
            str(path.absolute()),  # as it is, `http:a.mp4` would be fetched and `12:30.mp4` be of no protocol
            options={"max_pixels": str(MAX_PIXELS), "format_whitelist": DEMUXERS},
            metadata_errors="replace",  # a title in Latin-1 says nothing against the sound
        )
    except av.error.ArgumentError as error:
        raise MediaError("it is not in a media format that is read here", path) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = f"it cannot be opened as media: {reason_of(error)}"
        raise MediaError(reason, path, passing=isinstance(error, OSError)) from error


def streams_of(container: Any) -> tuple[Any, Any]:
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


def duration_of(container: Any) -> float | None:
    return None if container.duration is None else container.duration / av.time_base


def origin_of(container: Any) -> float:
    return (container.start_time or 0) / av.time_base


def packets_of(container: Any, streams: list[Any], start: float) -> Iterator[Any]:
    """Packets from the key frame before `start` on. Raises MediaError where not the content but its reading fails."""
    if start > 2 * PREROLL:
        with suppress(av.error.FFmpegError):  # not seekable: read from the beginning, as exact and slower
            container.seek(int((start - PREROLL + origin_of(container)) * av.time_base))
    try:
        yield from container.demux(streams)
    except OSError as error:  # FFmpeg's are among them; damaged content is InvalidDataError or MemoryError
        reason = f"it cannot be read to its end: {reason_of(error)}"
        raise MediaError(reason, Path(container.name), passing=True) from error


def frames_of(
    container: Any, waiting: set[int], start: float, damage: dict[int, str]
) -> Iterator[tuple[int, Any, float]]:
    """Decoded frames of the streams whose indices are in `waiting`, each with its stream and time. Who has enough of a
    stream takes it out of `waiting`. The first damage met in each stream is put into `damage`."""
    before = origin_of(container)
    packets = packets_of(container, [container.streams[i] for i in sorted(waiting)], start)
    while waiting:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:  # the rest of the file is lost
            for index in waiting:
                damage.setdefault(index, reason_of(error))
            return
        if packet is None:
            return
        index = packet.stream_index
        if index not in waiting:
            continue
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError) as error:  # one packet is lost
            damage.setdefault(index, reason_of(error))
            continue
        for frame in frames:
            if frame.time is None:
                damage.setdefault(index, "frames without a time")
            else:
                yield index, frame, frame.time - before


def reason_of(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
