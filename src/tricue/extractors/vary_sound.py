"""Copies of a sound that say the same otherwise, for training: of another speed and loudness, in noise, with gaps."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import fft, signal

from tricue.extractors.corruption import Noise, own_draws
from tricue.types import ModalityName

SLOWEST, FASTEST = 90, 110  # percent of the speed; pitch goes with it
GAIN_DB = 6.0  # up or down
SNR_DB = (10.0, 30.0)
MASKED_TIME = 0.1  # largest share of the sound that falls silent
MASKED_BAND = 0.1  # largest share of the frequencies that is taken out


@dataclass(frozen=True)
class VariedSound:
    """One copy of each sound. number: which, from 1.

    What is drawn depends on the samples and the number alone.
    """

    number: int
    modality: ClassVar[ModalityName] = "audio"
    name: ClassVar[str] = "varied"
    version: ClassVar[int] = 1  # raised by hand when the values change

    def damage(self, wave: np.ndarray) -> np.ndarray:
        """(samples,) float32 -> (samples',) float32, up to a ninth longer. What is no sound stays as it is."""
        if not wave.size or not np.isfinite(wave).all():
            return wave
        draws = own_draws(self.number, wave.tobytes())
        varied = change_speed(wave.astype(np.float64), int(draws.integers(SLOWEST, FASTEST + 1)))
        varied = varied * 10 ** (draws.uniform(-GAIN_DB, GAIN_DB) / 20)
        varied = mask_band(varied, *_stretch(draws, MASKED_BAND))
        varied = mask_time(varied, *_stretch(draws, MASKED_TIME))
        noise = Noise(float(draws.uniform(*SNR_DB)), seed=self.number)
        return noise.damage(varied.astype(np.float32))


def change_speed(wave: np.ndarray, percent: int) -> np.ndarray:
    """The sound as it is played at so much of its speed, by resampling: (samples,) -> (100 samples / percent,)."""
    return signal.resample_poly(wave, 100, percent)


def mask_band(wave: np.ndarray, low: float, high: float) -> np.ndarray:
    """Without the frequencies of [low, high), as shares of half the sample rate."""
    spectrum = fft.rfft(wave)
    spectrum[round(low * len(spectrum)) : round(high * len(spectrum))] = 0.0
    return fft.irfft(spectrum, n=len(wave))


def mask_time(wave: np.ndarray, low: float, high: float) -> np.ndarray:
    """Silent in [low, high), as shares of the sound."""
    masked = wave.copy()
    masked[round(low * len(wave)) : round(high * len(wave))] = 0.0
    return masked


def _stretch(draws: np.random.Generator, longest: float) -> tuple[float, float]:
    """Beginning and end of a part of [0, 1]."""
    length = draws.uniform(0.0, longest)
    begin = draws.uniform(0.0, 1.0 - length)
    return begin, begin + length
