"""Key frames: the most eventful picture of each equal part of a time span."""

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter
from PIL import Image

from tricue.types import Side

MAX_PIXELS = 36_000_000  # an 8K picture; a small file can claim far more and would cost gigabytes
MAX_ASPECT = 20  # long by short side: scaled to a model's input, a thin picture would grow to gigabytes
_MAX_RATE = 1_000  # pictures per second; a small file can hold millions of one moment
_HELD_PIXELS = 9_000_000  # more than 4K; larger pictures are held smaller: ten of 8K would take a gigabyte


class UnreadableError(ValueError):
    """A stream is not worth reading on; its text says why."""


def size_fault(width: int, height: int) -> str | None:
    """Why pictures of this size are not read; None where they are."""
    if width * height > MAX_PIXELS:
        return f"its pictures have more than {MAX_PIXELS:,} pixels"
    if max(width, height) > MAX_ASPECT * min(width, height):
        return f"its pictures are more than {MAX_ASPECT} times as long as they are short"
    return None


class KeyFrames:
    """Keeps the frame of highest gray-level entropy of each of `bins` equal parts of [low, high) seconds.

    One frame per part is held, however many pass by; on ties it is the first. crop: the half that counts.
    """

    def __init__(self, low: float, high: float, bins: int, crop: Side | None = None) -> None:
        self.low, self.high, self.bins, self.crop = low, high, bins, crop
        self.count = 0
        self.until = low  # end of the latest frame taken
        self._best: dict[int, tuple[float, Any, bytes | None]] = {}  # entropy, frame, display matrix
        self._seen = 0  # frames, those outside of the span, too
        self._times: tuple[float, float] | None = None  # the earliest and the latest of them
        self._gray = VideoReformatter()  # one for all: a new one for each frame costs more than its decoding

    def add(self, frame: Any, time: float) -> bool:
        """Take a decoded frame (av.VideoFrame); True once the span is over.

        Raises ValueError for a frame of a size that is not read, UnreadableError for too many frames.
        """
        self._check(frame, time)
        if time >= self.high:
            return True
        if time < self.low:
            return False
        part = min(self.bins - 1, int((time - self.low) * self.bins / (self.high - self.low)))
        matrix = _matrix(frame)
        gray = self._gray.reformat(frame, *_held_size(frame), format="gray", threads=1)
        entropy = gray_entropy(self._shown(gray, matrix))
        if part not in self._best or entropy > self._best[part][0]:
            self._best[part] = (entropy, _held(frame), matrix)
        self.count += 1  # at last: what cannot be converted is not taken
        self.until = time + float((frame.duration or 0) * (frame.time_base or 0))
        return False

    def _check(self, frame: Any, time: float) -> None:
        """Frames may be of other sizes than the header says, each one."""
        fault = size_fault(frame.width, frame.height)
        if fault is not None:
            raise ValueError(fault)
        self._seen += 1
        first, last = self._times or (time, time)
        self._times = first, last = min(first, time), max(last, time)
        if self._seen > _MAX_RATE * (1.0 + last - first):
            raise UnreadableError(f"it has more than {_MAX_RATE:,} pictures a second")

    def pictures(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 RGB each, in time order, turned and mirrored as the file says."""
        colour = VideoReformatter()
        best = [(frame, matrix) for _, (_, frame, matrix) in sorted(self._best.items())]
        return [self._shown(colour.reformat(own, format="rgb24", threads=1), turn) for own, turn in best]

    def _shown(self, converted: Any, matrix: bytes | None) -> np.ndarray:
        """The picture turned as the file says, and of it the half that counts."""
        return half(turned(converted.to_ndarray(), matrix), self.crop)


def half(picture: np.ndarray, crop: Side | None) -> np.ndarray:
    """The half of the picture that counts; None: all of it. Raises ValueError where it has none."""
    middle = picture.shape[1] // 2
    if crop and not middle:
        raise ValueError("its pictures are a single pixel wide, which has no half")
    return picture if crop is None else picture[:, :middle] if crop == "left" else picture[:, middle:]


def _held(frame: Any) -> Any:
    """The frame as it is, or as RGB of at most `_HELD_PIXELS` where it would take more room than such a one."""
    width, height = _held_size(frame)
    if width == frame.width and sum(plane.buffer_size for plane in frame.planes) <= 3 * _HELD_PIXELS:
        return frame
    return VideoReformatter().reformat(frame, width, height, format="rgb24", threads=1)


def _held_size(frame: Any) -> tuple[int, int]:
    scale = min(1.0, (_HELD_PIXELS / (frame.width * frame.height)) ** 0.5)
    return int(frame.width * scale), int(frame.height * scale)


def _matrix(frame: Any) -> bytes | None:
    """FFmpeg's display matrix, a copy: the frame itself need not be held for it."""
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    return None if matrix is None else bytes(matrix)


def turned(picture: np.ndarray, matrix: Any) -> np.ndarray:
    """The picture as players show it. matrix: FFmpeg's display matrix, 9 int32 of which the upper left 2 x 2 turn
    and mirror (rows: where x goes, where y goes); None, or all 0 as some files have it: as it is.

    An angle alone (`frame.rotation`) would turn the mirrored picture of a front camera upside down.
    """
    if matrix is None:
        return picture
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(int)
    if abs(b) + abs(c) > abs(a) + abs(d):  # x and y change places
        picture = picture.swapaxes(0, 1)
        a, d = c, b
    return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def gray_entropy(gray: np.ndarray) -> float:
    """Shannon entropy in bits of an 8-bit picture's histogram (256 bins)."""
    counts = np.array(Image.fromarray(gray).histogram())  # numpy's counting takes as long as a frame's decoding
    shares = counts[counts > 0] / gray.size
    return float(-(shares * np.log2(shares)).sum())
