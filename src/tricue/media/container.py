"""Opening media files: what they hold, how long they last, their packets and frames (PyAV).

Times are seconds from the beginning of playback.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import av

from tricue.files.atomic import file_status
from tricue.media.formats import DEMUXERS
from tricue.media.keyframes import MAX_PIXELS
from tricue.media.packets import UNORDERED, Extent, Lead, is_end, time_of
from tricue.media.sound import PREROLL
from tricue.media.streams import choose_stream
from tricue.types import InvalidFileError

# Bare streams in which no length is written: what FFmpeg says of it is a guess from the first bit rate.
GUESSED = frozenset(["aac", "ac3", "amr", "mp3", "h264", "hevc", "m4v", "mpegvideo"])
_AT_END = 0.5  # seconds by which a header's length and the end of the last packet may differ
_REPEATS = 10  # times that an edit list may show the same; a small file could be read for hours
_LONGEST = 7 * 86_400.0  # seconds; a damaged time can be thousands of years


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
    """Seconds that the sound and the pictures of a recording last.

    The header's word is taken where packets come until then and no further. Else, in a file that is cut, that a
    browser recorded, or whose format has no length (mp3, ADTS), the packets are counted, without decoding.
    Raises MediaError where it cannot be opened or read, has neither sound nor picture, or lasts more than a week.
    """
    with unchanged(path):
        size, changed = _stamp(path)
        seconds = _playing_time(path.absolute(), size, changed)
    if seconds > _LONGEST:
        raise MediaError(f"its times reach {seconds:.3g} s: damaged, or more than a week", path)
    return seconds


@lru_cache(maxsize=1024)
def _playing_time(path: Path, size: int, changed: int) -> float:
    """Once per file and process: the segments of a recording share it."""
    with opened(path) as container:
        streams = [stream for stream in streams_of(container) if stream]
        if not streams:
            raise MediaError("it has neither sound nor pictures of a known codec", path)
        seconds = duration_of(container)
        if seconds is not None and container.format.name not in GUESSED:
            with suppress(av.error.FFmpegError):  # not seekable: its packets are counted
                container.seek(int((max(0.0, seconds - 1.0) + origin_of(container)) * av.time_base))
                if abs(_end_of(container, streams) - seconds) < _AT_END:
                    return seconds
    with opened(path) as container:
        return _end_of(container, [stream for stream in streams_of(container) if stream])


def _end_of(container: Any, streams: list[Any]) -> float:
    """Seconds of playback at which the last packet ends of those that are still to come; 0 where none is."""
    extents = {stream.index: Extent() for stream in streams}
    with suppress(av.error.FFmpegError):  # cut: what came before counts
        for packet in packets_of(container, streams, 0.0):
            extents[packet.stream.index].add(packet)
    ends = [extent.end - origin_of(container) for extent in extents.values() if extent.end is not None]
    return max([0.0, *ends])


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of the last change. Raises MediaError where there is no regular file."""
    try:
        status = file_status(path)
    except FileNotFoundError as error:
        raise MediaError("no such file", path, passing=True) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise MediaError(f"it cannot be opened: {reason_of(error)}", path, passing=True) from error
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
    """The audio and the video stream that are read (`choose_stream`), None where there is none of a known codec."""
    sound, picture = choose_stream(container.streams.audio), choose_stream(container.streams.video)
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
    """Packets from those on with which decoding has to begin for `start`: a key frame at or before it in the video
    stream, sound from before it.

    Containers seek by their own ideas (MPEG-TS and -PS to any packet of that time), so what comes is looked at: where
    it is too late, the file is read from further back, at last from its beginning.
    Raises MediaError where not the content but its reading fails.
    """
    most, taken = _REPEATS * (container.size or 0), 0
    try:
        for packet in container.demux(streams) if start <= 2 * PREROLL else _led(container, streams, start):
            taken += packet.size
            if taken > most:
                raise MediaError("its index names the same bytes over and over", Path(container.name))
            yield packet
    except OSError as error:  # FFmpeg's are among them; damaged content is InvalidDataError or MemoryError
        reason = f"it cannot be read to its end: {reason_of(error)}"
        raise MediaError(reason, Path(container.name), passing=True) from error


def _led(container: Any, streams: list[Any], start: float) -> Iterator[Any]:
    found = None
    with suppress(av.error.FFmpegError):  # not seekable, or damaged before `start`: as exact and slower
        found = _sought(container, streams, start)
    if found is not None:
        yield from found
        return
    with opened(Path(container.name)) as again:
        streams_of(again)
        streams = [again.streams[stream.index] for stream in streams]
        lead, packets = Lead(streams, start + origin_of(again), True), again.demux(streams)
        try:
            lead.read(packets)
        except av.error.FFmpegError:  # the rest of the file is lost
            yield from lead.held
            raise
        yield from chain(lead.held, packets)


def _sought(container: Any, streams: list[Any], start: float) -> Iterator[Any] | None:
    """The packets after a seek that leads far enough back; None where none does."""
    back, origin = PREROLL, origin_of(container)
    while back < start:
        container.seek(int((start - back + origin) * av.time_base))
        lead, packets = Lead(streams, start + origin, False), container.demux(streams)
        if lead.read(packets):
            return chain(lead.held, packets)
        back *= 2
    return None


def frames_of(
    container: Any, waiting: set[int], start: float, damage: dict[int, str]
) -> Iterator[tuple[int, Any, float]]:
    """Decoded frames of the streams whose indices are in `waiting`, each with its stream and time. Who has enough of a
    stream takes it out of `waiting`. The first damage met in each stream is put into `damage`.

    A frame without a time follows the one before it; in a bare stream, the first one is at 0. An empty packet shows the
    picture before it once more.
    """
    before = origin_of(container)
    clock = dict.fromkeys(waiting, before) if container.format.name in GUESSED else {}
    shown: dict[int, Any] = {}
    packets = packets_of(container, [container.streams[i] for i in sorted(waiting)], start)
    for packet in _wanted(packets, waiting, damage):
        index = packet.stream.index
        if not packet.size and not is_end(packet):
            time = time_of(packet)
            if index in shown and time is not None:
                yield index, shown[index], time - before
            continue
        for frame in _decoded(packet, damage):
            ticks = frame.dts if container.format.name in UNORDERED else frame.pts
            time = clock.get(index) if ticks is None else float(ticks * frame.time_base)
            if time is None:
                damage.setdefault(index, "frames without a time")
                continue
            clock[index] = time + float((frame.duration or 0) * frame.time_base)
            if packet.stream.type == "video":
                shown[index] = frame
            yield index, frame, time - before


def _wanted(packets: Iterator[Any], waiting: set[int], damage: dict[int, str]) -> Iterator[Any]:
    """The packets of those streams that are waited for at that time."""
    while waiting:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:  # the rest of the file is lost
            for index in waiting:
                damage.setdefault(index, reason_of(error))
            return
        if packet is None:
            return
        if packet.stream.index in waiting:
            yield packet


def _decoded(packet: Any, damage: dict[int, str]) -> list[Any]:
    try:
        return packet.decode()
    except (av.error.FFmpegError, ValueError) as error:  # one packet is lost
        damage.setdefault(packet.stream.index, reason_of(error))
        return []


def reason_of(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
