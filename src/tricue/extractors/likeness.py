"""Whether a text encoder is the one that a network was trained on, told by what it says of one sentence.

A digest of its files tells the same copy at once. The hub's copy in 32 bits and a local one in 16, or one beside other
files, are the same encoder all the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.config.feature_settings import FeaturesConfig, TextFeatures
from tricue.extractors import hub
from tricue.extractors.text_extractors import Spoken, text_extractor
from tricue.registry import MODALITIES
from tricue.types import ModalityName

_SENTENCE = Spoken("I can't believe that you did this for me, of all people!")
_KEPT = 64  # numbers of the mean vector: a few are told apart as well as all, and make a short file
_NEAR = 0.02  # of the vectors' length; 16 bits in place of 32 move it by 0.0005


def sample(features: FeaturesConfig, modalities: Sequence[ModalityName]) -> dict[ModalityName, list[float]]:
    """What the hub encoders of `modalities` give for an input that never changes, where one has such an input.

    Raises InputError where an encoder cannot be had.
    """
    encoded = [modality for modality in modalities if hub.has_weights(features[modality])]
    samples = {modality: MODALITIES[modality].sample_encoder(features[modality]) for modality in encoded}
    return {modality: values for modality, values in samples.items() if values}


def sample_text(settings: TextFeatures) -> list[float]:
    """The first 64 numbers of the sentence's mean vector. Raises InputError where the hub encoder cannot be had."""
    extractor: Any = text_extractor(settings)
    (vectors,) = extractor.encode([extractor.prepare(_SENTENCE)])
    return [round(float(value), 5) for value in vectors.mean(axis=0)[:_KEPT]]


def alike(one: Sequence[float], other: Sequence[float]) -> bool:
    a, b = np.asarray(one), np.asarray(other)
    return a.shape == b.shape and float(np.linalg.norm(a - b)) <= _NEAR * float(np.linalg.norm(a))
