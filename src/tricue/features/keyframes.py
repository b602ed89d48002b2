"""Key frames: the most eventful picture of each equal part of a time span."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter
from PIL import Image

from tricue.types import Side

# their first plane holds a byte of brightness per pixel
_BRIGHT_FIRST = frozenset(["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"])


class KeyFrames:
    """Keeps the frame of highest gray-level entropy of each of `bins` equal parts of [low, high) seconds.

    One frame per part is held, however many pass by; on ties it is the first. crop: the half that counts.
    """

    def __init__(self, low: float, high: float, bins: int, crop: Side | None = None) -> None:
        self.low, self.high, self.bins, self.crop = low, high, bins, crop
        self.count = 0
        self.until = low  # end of the latest frame taken
        self._best: dict[int, tuple[float, Any]] = {}
        self._gray = VideoReformatter()  # one for all: a new one for each frame costs more than its decoding
        self._grays: dict[tuple[Any, ...], np.ndarray | None] = {}  # form -> see _gray_of

    def add(self, frame: Any, time: float) -> bool:
        """Take a decoded frame (av.VideoFrame); True once the span is over."""
        if time >= self.high:
            return True
        if time < self.low:
            return False
        self.count += 1
        self.until = time + float((frame.duration or 0) * (frame.time_base or 0))
        part = min(self.bins - 1, int((time - self.low) * self.bins / (self.high - self.low)))
        entropy = _entropy(self._counts(frame))
        if part not in self._best or entropy > self._best[part][0]:
            self._best[part] = (entropy, frame)
        return False

    def pictures(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 RGB each, in time order, turned and mirrored as the file says."""
        colour = VideoReformatter()
        frames = [frame for _, (_, frame) in sorted(self._best.items(), key=lambda item: item[0])]
        return [
            self._shown(colour.reformat(frame, format="rgb24", threads=1).to_ndarray(), frame)
            for frame in frames
        ]

    def _counts(self, frame: Any) -> np.ndarray:
        """How many pixels have each gray value. Where brightness decides it, brightnesses are counted and the counts
        moved to their grays: the same numbers in less time than it takes to make the gray picture."""
        gray = self._gray_of(frame)
        if gray is None:
            converted = self._gray.reformat(frame, format="gray", threads=1).to_ndarray()
            return _histogram(self._shown(converted, frame))
        counts = _histogram(self._shown(_first_plane(frame), frame))
        return np.bincount(gray, counts, minlength=256)

    def _gray_of(self, frame: Any) -> np.ndarray | None:
        """(256,) the gray value of each brightness in frames of this form; None where more decides it, as it does in
        pictures that name BT.709 colours."""
        if frame.format.name not in _BRIGHT_FIRST or frame.planes[0].line_size < frame.width:
            return None
        form = (
            frame.format.name,
            frame.color_range,
            frame.colorspace,
            frame.color_trc,
            frame.color_primaries,
        )
        if form not in self._grays:
            gray = self._gray.reformat(_ramp(type(frame), form), format="gray", threads=1).to_ndarray()
            self._grays[form] = gray[0] if (gray == gray[0]).all() else None
        return self._grays[form]

    def _shown(self, picture: np.ndarray, frame: Any) -> np.ndarray:
        """The picture turned as the file says, and of it the half that counts."""
        picture = turned(picture, frame.side_data.get(SideData.DISPLAYMATRIX))
        if self.crop is None:
            return picture
        middle = picture.shape[1] // 2
        return picture[:, :middle] if self.crop == "left" else picture[:, middle:]


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


def _ramp(kind: Any, form: tuple[Any, ...]) -> Any:
    """A frame of this form with every brightness, from left to right, in many colours."""
    frame, rng = kind(256, 64, form[0]), np.random.default_rng(0)
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8))
    rows = np.zeros((64, frame.planes[0].line_size), np.uint8)
    rows[:, :256] = np.arange(256)
    frame.planes[0].update(rows)
    frame.color_range, frame.colorspace, frame.color_trc, frame.color_primaries = form[1:]
    return frame


def _first_plane(frame: Any) -> np.ndarray:
    """(H, W) uint8, a view."""
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def _histogram(picture: np.ndarray) -> np.ndarray:
    """(256,) of 8-bit values. numpy's own counting takes as long as decoding a frame."""
    return np.array(Image.fromarray(picture).histogram())


def _entropy(counts: np.ndarray) -> float:
    """Shannon entropy in bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
