"""One vector per row: of each modality the mean over its time steps, the deviation over them, and whether it is there.

Legend: N rows, F numbers of a pooled vector, D_m width of modality m's features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tricue.types import ModalityName, Utterance

LEAST = 1e-5  # of a mean: a deviation below it is rounding
Arrays = Mapping[ModalityName, Mapping[str, np.ndarray]]  # modality -> utterance id -> (T, D_m)


@dataclass(frozen=True)
class LabelledRows:
    """Rows with a label, their features, and their labels as the task encodes them."""

    rows: Sequence[Utterance]
    arrays: Arrays = field(repr=False)
    targets: np.ndarray  # (N, ...)


@dataclass(frozen=True)
class Pooling:
    """How the rows of one model are pooled and standardised."""

    widths: dict[ModalityName, int]  # D_m, in the order of the vector
    deviations: dict[ModalityName, bool]  # False: no training row had a second time step
    mean: np.ndarray  # (F,) float32, of the training rows
    factor: np.ndarray  # (F,) float32: 1 / deviation of the training rows; 0 where all of them are alike

    @classmethod
    def of(cls, rows: Sequence[Utterance], arrays: Arrays, modalities: Sequence[ModalityName]) -> Self:
        """The pooling of training rows. A modality that none of them has is left out."""
        held = {m: [arrays[m][row.id] for row in rows if row.id in arrays[m]] for m in modalities if m in arrays}
        widths = {m: own[0].shape[1] for m, own in held.items() if own}
        deviations = {m: any(len(row) > 1 for row in held[m]) for m in widths}
        size = pooled_size(widths, deviations)
        mean, factor = np.zeros(size, np.float32), np.ones(size, np.float32)
        values, there = cls(widths, deviations, mean, factor)._blocks(rows, arrays)
        count = np.maximum(there.sum(axis=0), 1)
        mean = (values.sum(axis=0, dtype=np.float64) / count).astype(np.float32)
        mean[size - len(widths) :] = 0.0  # flags stay 0 and 1
        centred = np.where(there, values - mean, 0)
        deviation = np.sqrt(np.einsum("nf,nf->f", centred, centred, dtype=np.float64) / count)
        alike = values[:, size - len(widths) :].all(axis=0)
        deviation[size - len(widths) :] = np.where(alike, 0.0, 1.0)
        constant = deviation <= LEAST * np.abs(mean)
        factor = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
        return cls(widths, deviations, mean, factor.astype(np.float32))

    def vectors(self, rows: Sequence[Utterance], arrays: Arrays) -> np.ndarray:
        """(N, F) float32. A missing modality is zeros, the mean of training, with 0 as its flag."""
        values, there = self._blocks(rows, arrays)
        return np.where(there, (values - self.mean) * self.factor, np.float32(0))

    def _blocks(self, rows: Sequence[Utterance], arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """(N, F) means and deviations modality by modality, then a flag of each; and which of them a row has."""
        values = np.zeros((len(rows), len(self.mean)), np.float32)
        there = np.ones(values.shape, bool)
        start, flags = 0, len(self.mean) - len(self.widths)
        for number, (modality, width) in enumerate(self.widths.items()):
            end = start + width * (1 + self.deviations[modality])
            for i, row in enumerate(rows):
                steps = arrays.get(modality, {}).get(row.id)
                there[i, start:end] = values[i, flags + number] = steps is not None
                if steps is not None:
                    values[i, start:end] = pooled(steps, self.deviations[modality])
            start = end
        return values, there


def pooled(steps: np.ndarray, with_deviation: bool) -> np.ndarray:
    """(T, D) -> (D,) or (2 D,) float32: mean over the steps, deviation over them."""
    steps = steps.astype(np.float32)
    mean = steps.mean(axis=0)
    return np.concatenate([mean, steps.std(axis=0)]) if with_deviation else mean


def pooled_size(widths: Mapping[ModalityName, int], deviations: Mapping[ModalityName, bool]) -> int:
    """F."""
    return sum(width * (1 + deviations[m]) for m, width in widths.items()) + len(widths)
