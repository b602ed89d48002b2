"""Whether a text encoder is the one that a network was trained on, told by what it says of one sentence.

A digest of its files tells the same copy at once. The hub's copy in 32 bits and a local one in 16, or one beside other
files, are the same encoder all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tricue.config import FeaturesConfig
from tricue.features.text import HubText, Spoken, text_extractor
from tricue.types import Cue

_SENTENCE = Spoken("I can't believe that you did this for me, of all people!")
_KEPT = 64  # numbers of the mean vector: a few are told apart as well as all, and make a short file
_NEAR = 0.02  # of the vectors' length; 16 bits in place of 32 move it by 0.0005


def sample(features: FeaturesConfig, cues: Sequence[Cue]) -> dict[Cue, list[float]]:
    """The first 64 numbers of the sentence's mean vector, for text if a hub encoder reads it.

    Raises InputError where the encoder cannot be had.
    """
    if "text" not in cues or "text" in features.precomputed_cues():
        return {}
    extractor = text_extractor(features.text)
    if not isinstance(extractor, HubText):
        return {}
    (vectors,) = extractor.encode([extractor.prepare(_SENTENCE)])
    return {"text": [round(float(value), 5) for value in vectors.mean(axis=0)[:_KEPT]]}


def alike(one: Sequence[float], other: Sequence[float]) -> bool:
    a, b = np.asarray(one), np.asarray(other)
    return a.shape == b.shape and float(np.linalg.norm(a - b)) <= _NEAR * float(np.linalg.norm(a))
