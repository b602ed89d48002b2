"""The noise probe: what score features reach that say nothing but which item, speaker or dialogue a row is of.

Every row gets 16 random numbers that are the same for all rows of one item (then: of one speaker, of one dialogue). A
nearest neighbour and a small forest learn the training rows and predict the others. Where a split is clean they can
only guess; where copies of the training rows stand on the other side, they recognise them. Their score, the mean of 20
draws of the noise, is held against the same with the training labels shuffled, after the protocol has made its splits
and copies.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import f1_score, pairwise_distances_argmin

from tricue.metrics.class_metrics import confusion_statistics

WIDTH, DRAWS, SHUFFLES = 16, 20, 200
TREES, DEPTH = 3, 8
MARGIN = 0.02  # weighted F1 by which a probe must exceed the null's maximum
LARGEST = 20_000  # rows in all; of larger splits whole items are drawn

Kind = Literal["item", "speaker", "dialogue"]


@dataclass(frozen=True)
class ProbeScore:
    """Weighted F1 of one model on noise, and what chance gives."""

    model: str
    score: float  # mean over the draws
    null_mean: float
    null_max: float

    @property
    def exceeds(self) -> bool:
        return self.score > self.null_max + MARGIN


def noise_probe(tied: np.ndarray, labels: np.ndarray, in_train: np.ndarray, seed: int) -> list[ProbeScore]:
    """The scores of both models, trained on the rows of train and scored on the others.

    tied: (N,) number of what each row's noise is tied to. labels: (N,) class numbers, or (N, K) of several targets,
    each 0 to 2, whose scores are averaged. in_train: (N,) bool.
    """
    names, group = np.unique(tied, return_inverse=True)
    group = np.concatenate([group[in_train], group[~in_train]])
    cut, known, truth = int(in_train.sum()), labels[in_train], labels[~in_train]
    rng = np.random.default_rng(seed)
    draws = [rng.standard_normal((len(names), WIDTH), dtype=np.float32)[group] for _ in range(DRAWS)]
    shuffled = [rng.permutation(known) for _ in range(SHUFFLES)]
    nearest = [pairwise_distances_argmin(noise[cut:], noise[:cut]) for noise in draws]
    neighbour = [_weighted_f1(truth, known[near]) for near in nearest]
    neighbour_null = [_weighted_f1(truth, guess[nearest[i % DRAWS]]) for i, guess in enumerate(shuffled)]
    forest = [_forest(noise, cut, known, truth, i) for i, noise in enumerate(draws)]
    forest_null = [_forest(draws[i % DRAWS], cut, guess, truth, i) for i, guess in enumerate(shuffled)]
    return [
        ProbeScore(name, float(np.mean(scores)), float(np.mean(null)), float(np.max(null)))
        for name, scores, null in (("nearest neighbour", neighbour, neighbour_null), ("forest", forest, forest_null))
    ]


def drawn_items(items: np.ndarray, scored: np.ndarray, seed: int) -> np.ndarray:
    """(N,) bool, whether a row takes part: all rows, or those of whole items drawn until about 20,000 are reached.

    items: (N,) number of each row's item. scored: (N,) bool, the rows to be scored; up to 4,000 rows are of items that
    have some, so that a small test part in a large corpus is not lost.
    """
    if len(items) <= LARGEST:
        return np.ones(len(items), dtype=bool)
    names, group, sizes = np.unique(items, return_inverse=True, return_counts=True)
    has_scored = np.zeros(len(names), dtype=bool)
    has_scored[group[scored]] = True
    order = np.random.default_rng(seed).permutation(len(names))
    first, rest = order[has_scored[order]], order[~has_scored[order]]
    first = first[np.cumsum(sizes[first]) <= LARGEST // 5]
    rest = rest[np.cumsum(sizes[rest]) <= LARGEST - sizes[first].sum()]
    kept = np.zeros(len(names), dtype=bool)
    kept[first] = kept[rest] = True
    return kept[group]


def _forest(noise: np.ndarray, cut: int, labels: np.ndarray, truth: np.ndarray, seed: int) -> float:
    forest = ExtraTreesClassifier(n_estimators=TREES, max_depth=DEPTH, random_state=seed, n_jobs=1)
    known = labels[:, 0] if labels.shape[1:] == (1,) else labels
    return _weighted_f1(truth, forest.fit(noise[:cut], known).predict(noise[cut:]))


def _weighted_f1(truth: np.ndarray, guesses: np.ndarray) -> float:
    if truth.ndim == 2:  # of few classes and many targets: sixty times as fast
        targets = truth.shape[1]
        cells = (np.arange(targets) * 3 + truth) * 3 + guesses.reshape(truth.shape)
        counts = np.bincount(cells.astype(int).ravel(), minlength=9 * targets).reshape(targets, 3, 3)
        return float(confusion_statistics(counts)["weighted_f1"].mean())
    return float(f1_score(truth, guesses, average="weighted", zero_division=0))
