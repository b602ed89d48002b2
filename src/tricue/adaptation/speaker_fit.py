"""How speakers differ, learned from labelled rows of several."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from tricue.adaptation.speaker_offsets import Offsets
from tricue.types import Utterance

_ROUNDS = 3  # of means and offsets in turn: after them neither moves by more than a hundredth
_FLAT = 1e-6  # variance that every direction has, as a share of the mean one
_LEAST = 1e-4  # ratio of a direction in which speakers differ


def number_speakers(rows: Sequence[Utterance]) -> np.ndarray:
    """(N,) the number of each row's speaker, -1 where it names none or is the only row of its speaker."""
    names = [None if row.speaker is None else (row.corpus or "", row.speaker) for row in rows]
    several = [name for name, count in Counter(names).items() if name is not None and count > 1]
    number = {name: i for i, name in enumerate(sorted(several))}
    return np.array([-1 if name is None else number.get(name, -1) for name in names], dtype=np.int64)


def fit_means(vectors: np.ndarray, answers: np.ndarray, speakers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What an answer adds to a row, (V + 1, W), and the offset of each speaker from that, (S, W), in turn.

    Args:
        vectors: (N, W).
        answers: (N, V) the values of the right answers.
        speakers: (N,) numbers from 0 to S - 1.
    """
    design = np.column_stack([answers, np.ones(len(answers))])
    counts = np.bincount(speakers)[:, None]
    offsets = np.zeros((len(counts), vectors.shape[1]))
    for _ in range(_ROUNDS):
        means = np.linalg.lstsq(design, vectors - offsets[speakers], rcond=None)[0]
        offsets = np.zeros_like(offsets)
        np.add.at(offsets, speakers, vectors - design @ means)
        offsets /= counts
    return means, offsets


def fit_offsets(vectors: np.ndarray, answers: np.ndarray, speakers: np.ndarray) -> Offsets | None:
    """How speakers differ; None where all rows are alike. Arguments as of `fit_means`, of each speaker several rows.

    Both covariances, of the offsets and of what is left within a speaker, are shrunk to a multiple of the unit matrix
    (Ledoit and Wolf, 2004), for there may be fewer speakers than directions.
    """
    means, offsets = fit_means(vectors, answers, speakers)
    left = vectors - answers @ means[:-1] - means[-1] - offsets[speakers]
    counts = np.bincount(speakers)
    within = ledoit_wolf(left, assume_centered=True)[0] * len(left) / (len(left) - len(counts))
    between = ledoit_wolf(offsets, assume_centered=True)[0] - within * np.mean(1.0 / counts)
    if np.trace(within) < _FLAT * len(within):  # vectors of scaled features: what is left are roundings
        return None
    within += _FLAT * np.trace(within) / len(within) * np.eye(len(within))
    ratio, into = eigh(between, within)
    kept = ratio > _LEAST
    parts = means, into[:, kept], (within @ into[:, kept]).T, ratio[kept]
    return Offsets(*(torch.from_numpy(np.ascontiguousarray(part)).float() for part in parts))
