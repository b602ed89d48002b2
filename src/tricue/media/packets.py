"""Packets of a media file: their times, what they span, and where decoding has to begin for a later start."""

from collections.abc import Iterator, Sequence
from typing import Any

from tricue.media.sound import PREROLL

_LAG = 5.0  # seconds by which one stream may lie behind another in a file
_LONGEST_GAP = 1.0  # seconds that a last packet may last of which no length is said
_HELD_BYTES = 64_000_000
UNORDERED = frozenset(["avi"])  # formats that hold times of decoding only: what else comes is a guess
_UNSURE = 1.0  # seconds by which a picture may be shown after it is decoded


def time_of(packet: Any) -> float | None:
    """Seconds at which a packet is shown, else at which it is decoded; None where it has no time."""
    ticks = packet.dts if packet.pts is None else packet.pts
    return None if ticks is None else float(ticks * packet.time_base)


def is_end(packet: Any) -> bool:
    """Whether it is not of the file: it has the decoder give what it still holds. Its `stream_index` is 0 always."""
    return not packet.size and packet.pts is None and packet.dts is None


class Extent:
    """What the packets of one stream span, in seconds of the file: only those that are shown.

    Packets before the beginning of an edit list are there to be decoded, not to be seen. A packet that says no time
    follows the one before it; one that says no length lasts as long as packets do on average.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self._last = self._end = 0.0
        self._count = 0

    def add(self, packet: Any) -> None:
        if packet.is_discard or is_end(packet):
            return
        time, lasts = time_of(packet), float((packet.duration or 0) * packet.time_base)
        if time is None:
            time = self._end
        if self.first is None:
            self.first = self._last = self._end = time
        self.first = min(self.first, time)
        self._last, self._end = max(self._last, time), max(self._end, time + lasts)
        self._count += 1

    @property
    def end(self) -> float | None:
        if self.first is None:
            return None
        gap = (self._last - self.first) / (self._count - 1) if self._count > 1 else 0.0
        return self._end if self._end > self._last else self._last + min(gap, _LONGEST_GAP)


class Lead:
    """The packets before `start` (seconds of the file) with which decoding has to begin: of video those from the last
    key frame on, of audio those of the last half second.

    from_beginning: what is read begins with the file, so there is nothing before it.
    """

    def __init__(self, streams: Sequence[Any], start: float, from_beginning: bool) -> None:
        self.start, self.from_beginning = start, from_beginning
        self.held: list[Any] = []
        self._margin = _UNSURE if streams[0].container.format.name in UNORDERED else 0.0
        self._video = {stream.index for stream in streams if stream.type == "video"}
        self._wanted = {stream.index for stream in streams}
        self._begun = set[int]()  # streams that came early enough: video with a key frame
        self._passed = set[int]()  # streams of which a packet of after `start` has come
        self._bytes = 0

    def read(self, packets: Iterator[Any]) -> bool:
        """Read on until `start`, or the end of the file; whether `held` is enough to decode from `start` on."""
        for packet in packets:
            time = time_of(packet)
            if time is None:
                self._hold(packet)
                if not is_end(packet) and not self.from_beginning:
                    return False  # where the file is read cannot be known
                continue
            if packet.stream.index in self._video:
                self._add_video(packet, time)
            else:
                self._add_audio(packet, time)
            if time > self.start:
                self._passed.add(packet.stream.index)
            if self._passed == self._wanted or time > self.start + _LAG or self._bytes > _HELD_BYTES:
                break
        return self.from_beginning or self._begun == self._wanted

    def _add_video(self, packet: Any, time: float) -> None:
        index = packet.stream.index
        if packet.is_keyframe and time <= self.start - (_UNSURE if packet.pts is None else self._margin):
            self._begun.add(index)
            self.held = [other for other in self.held if other.stream.index != index]
            self._bytes = sum(other.size for other in self.held)
        if index in self._begun or self.from_beginning:
            self._hold(packet)

    def _add_audio(self, packet: Any, time: float) -> None:
        if time <= self.start - PREROLL / 2:
            self._begun.add(packet.stream.index)
        if time + float((packet.duration or 0) * packet.time_base) >= self.start - PREROLL:
            self._hold(packet)

    def _hold(self, packet: Any) -> None:
        self.held.append(packet)
        self._bytes += packet.size
