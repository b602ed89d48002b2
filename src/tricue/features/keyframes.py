"""Key frames: the most eventful picture of each equal part of a time span."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter


class KeyFrames:
    """Keeps the frame of highest gray-level entropy of each of `bins` equal parts of [low, high) seconds.

    One frame per part is held, however many pass by; on ties it is the first.
    """

    def __init__(self, low: float, high: float, bins: int) -> None:
        self.low, self.high, self.bins = low, high, bins
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
        entropy = gray_entropy(self._gray.reformat(frame, format="gray", threads=1).to_ndarray())
        if part not in self._best or entropy > self._best[part][0]:
            self._best[part] = (entropy, frame)
        return False

    def pictures(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 RGB each, in time order, turned as the file says."""
        colour = VideoReformatter()
        frames = [frame for _, (_, frame) in sorted(self._best.items(), key=lambda item: item[0])]
        return [
            np.rot90(
                colour.reformat(frame, format="rgb24", threads=1).to_ndarray(),
                round(frame.rotation / 90),  # counter-clockwise, as numpy turns
            )
            for frame in frames
        ]


def gray_entropy(gray: np.ndarray) -> float:
    """Shannon entropy in bits of an 8-bit picture's histogram (256 bins)."""
    counts = np.bincount(gray.reshape(-1), minlength=256)
    shares = counts[counts > 0] / gray.size
    return float(-(shares * np.log2(shares)).sum())
