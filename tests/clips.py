"""Media files that tests make with PyAV."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_sound(
    path: Path, samples: np.ndarray, codec: str, *, rate: int, layout: str = "mono", muxer: str | None = None,
    options: dict[str, str] | None = None, coding: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """samples: (N,) or (channels, N). muxer: None is by the ending; options are its, coding the codec's."""
    with av.open(str(path), "w", format=muxer, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=coding or {})
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.atleast_2d(samples), np.float32), "fltp", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        kind = stream.codec_context.format.name
        for item in [*av.AudioResampler(kind, layout, rate).resample(frame), None]:
            container.mux(stream.encode(item))
    return path


def write_tones(folder: Path, count: int, longest: int) -> None:
    """0.wav, 1.wav, ...: tones in noise of 4,000 to `longest` samples at 16 kHz, the even ones low, the odd high."""
    rng = np.random.default_rng(0)
    for i in range(count):
        seconds = np.arange(rng.integers(4_000, longest)) / 16_000
        tone = np.sin(2 * np.pi * (150, 450)[i % 2] * seconds) + 0.1 * rng.normal(size=len(seconds))
        with wave.open(str(folder / f"{i}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((8_000 * tone).astype("<i2").tobytes())


def shown(path: Path) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Every picture by plain PyAV: seconds, gray, RGB."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [(f.time, f.to_ndarray(format="gray"), f.to_ndarray(format="rgb24")) for f in frames]


def entropy(gray: np.ndarray) -> float:
    """Of a histogram of 256 bins, in bits."""
    shares = np.histogram(gray, bins=256, range=(0, 256))[0] / gray.size
    return float(sum(-s * np.log2(s) for s in shares if s > 0))
