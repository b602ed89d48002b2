"""Media files that tests make with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_sound(
    path: Path, wave: np.ndarray, codec: str, *, rate: int, layout: str = "mono", muxer: str | None = None,
    options: dict[str, str] | None = None, coding: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """wave: (samples,) or (channels, samples). muxer: None is by the ending; options are its, coding the codec's."""
    with av.open(str(path), "w", format=muxer, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=coding or {})
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.atleast_2d(wave), np.float32), "fltp", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        kind = stream.codec_context.format.name
        for item in [*av.AudioResampler(kind, layout, rate).resample(frame), None]:
            container.mux(stream.encode(item))
    return path


def shown(path: Path) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Every picture by plain PyAV: seconds, gray, RGB."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [(f.time, f.to_ndarray(format="gray"), f.to_ndarray(format="rgb24")) for f in frames]


def entropy(gray: np.ndarray) -> float:
    """Of a histogram of 256 bins, in bits."""
    shares = np.histogram(gray, bins=256, range=(0, 256))[0] / gray.size
    return float(sum(-s * np.log2(s) for s in shares if s > 0))
