"""Several channels of sound made one: a mix that neither cancels nor amplifies."""

from collections.abc import Sequence

import numpy as np

MAX_CHANNELS = 16  # a file may declare thousands, and each is resampled
_BLOCK = 160_000  # samples that are judged together: 10 s at 16 kHz
_CANCELLED = 0.25  # share of the energy of unrelated channels below which their mix is cancelled
_EQUAL = 0.99  # share of the largest energy from which another is as large: blocks should not change channels
_BASS = ("LFE", "LFE2")
_CENTRE = "FC"


class DownMix:
    """Mixes channels by their mean, block by block of 10 s.

    The bass channel (LFE) is left out. Where there is a front centre among others, it counts as much as all others
    together, for it is who speaks. So the same sound in all channels keeps its level, and no mix is louder than its
    loudest channel.
    A block cancels where its mix has less than a quarter of the energy that unrelated channels of these levels would
    give (right = -left gives none): there, the loudest channel is taken as it is, the first of equals.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        """channels: FFmpeg's names (FL, FR, FC, LFE, ...)."""
        self.weights = channel_weights(channels)
        self.cancelled = 0  # samples for which the loudest channel is taken
        self._held: list[np.ndarray] = []
        self._samples = 0

    def add(self, sound: np.ndarray) -> list[np.ndarray]:
        """(channels, samples) float32 -> the blocks that are complete by it, (samples,) float32 each."""
        if len(self.weights) == 1:
            return [sound[0]]
        self._held.append(sound)
        self._samples += sound.shape[1]
        return self.flush() if self._samples >= _BLOCK else []

    def flush(self) -> list[np.ndarray]:
        """What is held, as the last block; nothing where nothing is held."""
        if not self._samples:
            return []
        sound = np.concatenate(self._held, axis=1)
        self._held, self._samples = [], 0
        return [self._mixed(sound)]

    def _mixed(self, sound: np.ndarray) -> np.ndarray:
        mix = (self.weights @ sound).astype(np.float32)
        energies = np.square(sound, dtype=np.float64).sum(axis=1) * (self.weights > 0)
        apart = float(np.square(self.weights, dtype=np.float64) @ energies)
        if not float(np.square(mix, dtype=np.float64).sum()) < _CANCELLED * apart:  # nor of no numbers
            return mix
        self.cancelled += mix.size
        return sound[int(np.argmax(energies >= _EQUAL * energies.max()))]


def channel_weights(channels: Sequence[str]) -> np.ndarray:
    """(channels,) float32 of sum 1; see DownMix."""
    heard = np.array([name not in _BASS for name in channels])
    heard |= not heard.any()
    weights = heard / heard.sum()
    centre = np.array([name == _CENTRE for name in channels])
    if centre.sum() == 1 and heard.sum() > 1:
        others = heard & ~centre
        weights = 0.5 * centre + 0.5 * others / others.sum()
    return weights.astype(np.float32)
