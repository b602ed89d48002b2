"""Varied copies of the training rows' sound: of each row an epoch reads one, or the row as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tricue.prediction.batches import Examples

Rows = Mapping[str, np.ndarray]  # utterance id -> audio features (T, D)
_DRAWN = 1  # tells these draws from those of an epoch's batches, which have the same key


@dataclass(frozen=True)
class SoundCopies:
    """copies: features of each copy; a row that one lacks is read as it is."""

    copies: Sequence[Rows]

    def drawn(self, examples: Examples, key: Sequence[int]) -> Examples:
        """The examples with one version of each row's sound, the true one as likely as any copy.

        key: (seed, phase, epoch), of which the draw is a function.
        """
        true = examples.arrays["audio"]
        versions = [true, *self.copies]
        rows = sorted(true)
        which = np.random.default_rng([*key, _DRAWN]).integers(len(versions), size=len(rows))
        audio = {id_: versions[i].get(id_, true[id_]) for id_, i in zip(rows, which, strict=True)}
        return replace(examples, arrays={**examples.arrays, "audio": audio})
