"""Key frames: the most eventful picture of each equal part of a time span."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter
from PIL import Image

from tricue.types import Side


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

    def add(self, frame: Any, time: float) -> bool:
        """Take a decoded frame (av.VideoFrame); True once the span is over."""
        if time >= self.high:
            return True
        if time < self.low:
            return False
        self.count += 1
        self.until = time + float((frame.duration or 0) * (frame.time_base or 0))
        part = min(self.bins - 1, int((time - self.low) * self.bins / (self.high - self.low)))
        entropy = gray_entropy(self._shown(self._gray.reformat(frame, format="gray", threads=1), frame))
        if part not in self._best or entropy > self._best[part][0]:
            self._best[part] = (entropy, frame)
        return False

    def pictures(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 RGB each, in time order, turned and mirrored as the file says."""
        colour = VideoReformatter()
        frames = [frame for _, (_, frame) in sorted(self._best.items(), key=lambda item: item[0])]
        return [self._shown(colour.reformat(frame, format="rgb24", threads=1), frame) for frame in frames]

    def _shown(self, converted: Any, frame: Any) -> np.ndarray:
        """The picture turned as the file says, and of it the half that counts."""
        picture = turned(converted.to_ndarray(), frame.side_data.get(SideData.DISPLAYMATRIX))
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


def gray_entropy(gray: np.ndarray) -> float:
    """Shannon entropy in bits of an 8-bit picture's histogram (256 bins)."""
    counts = np.array(
        Image.fromarray(gray).histogram()
    )  # numpy's own counting takes as long as decoding a frame
    shares = counts[counts > 0] / gray.size
    return float(-(shares * np.log2(shares)).sum())
