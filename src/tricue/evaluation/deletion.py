"""Whether what is said to carry a decision carries it: time steps are taken away, and the probability is watched.

The check of Samek et al., 2017, "Evaluating the visualization of what a deep neural network has learned": steps taken
in the order of falling weight must cost more probability than steps taken at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from tricue.evaluation.attribution import chances, read_vectors
from tricue.evaluation.explain import Explanation
from tricue.features.extract import FeatureSet
from tricue.model.network import Network
from tricue.types import Cue

SHARES = tuple(k / 10 for k in range(11))  # of a cue's moments that are taken away


@dataclass(frozen=True)
class Deletion:
    """Probability of the predicted class while a share of one cue's moments is gone, the other cues whole."""

    cue: Cue
    falling: np.ndarray  # (shares,): the weightiest go first
    random: np.ndarray  # (orders, shares)

    @property
    def area(self) -> float:
        """What the weights tell, in probability: how much lower `falling` lies than `random`, mean over the shares."""
        return float((self.random.mean(axis=0) - self.falling).mean())


def delete_moments(
    network: Network,
    explanation: Explanation,
    features: FeatureSet,
    cue: Cue,
    device: str = "cpu",
    orders: int = 10,
    seed: int = 0,
) -> Deletion:
    """Take the moments of `cue` away: by falling weight, and in `orders` random orders; with all of them gone the cue
    is absent. What stays closes up, as if the rest had never been there.
    """
    steps = explanation.steps[cue]
    random = np.random.default_rng(seed)
    ways = [np.argsort([-step.weight for step in steps], kind="stable")]
    ways += [random.permutation(len(steps)) for _ in range(orders)]
    kept = np.stack([_kept(way, round(share * len(steps))) for way in ways for share in SHARES])
    of_step = np.repeat(np.arange(len(steps)), [step.moment.steps for step in steps])
    column = list(explanation.prediction.probabilities).index(explanation.target)
    left = _chances_with(network, explanation.prediction.id, features, cue, kept[:, of_step], device)
    curves = left[:, column].reshape(len(ways), len(SHARES))
    return Deletion(cue, curves[0], curves[1:])


def mean_area(deletions: Sequence[Deletion]) -> tuple[float, float, float]:
    """Mean of `Deletion.area` over utterances, and its 95% interval (Student's t): of one alone NaN."""
    areas = np.array([deletion.area for deletion in deletions])
    if len(areas) < 2:
        return float(areas.mean()), np.nan, np.nan
    half = stats.t.ppf(0.975, len(areas) - 1) * areas.std(ddof=1) / np.sqrt(len(areas))
    return float(areas.mean()), float(areas.mean() - half), float(areas.mean() + half)


def _kept(order: Sequence[int] | np.ndarray, gone: int) -> np.ndarray:
    """(moments,) bool: False for the first `gone` of the order."""
    kept = np.ones(len(order), dtype=bool)
    kept[order[:gone]] = False
    return kept


@torch.no_grad()
def _chances_with(
    network: Network, id_: str, features: FeatureSet, cue: Cue, kept: np.ndarray, device: str
) -> np.ndarray:
    """Probabilities (R, C) of the classes with the time steps `kept` (R, T) of `cue`."""
    vectors, masks = read_vectors(network, id_, features, device)
    left = torch.from_numpy(kept).to(device)
    shown = {own: x.expand(len(kept), -1, -1) for own, x in vectors.items()}
    valid = {own: mask.expand(len(kept), -1) for own, mask in masks.items()}
    order = (~left).long().argsort(dim=1, stable=True)  # valid steps stand first
    valid[cue] = left.gather(1, order)
    closed = shown[cue].gather(1, order.unsqueeze(-1).expand_as(shown[cue]))
    shown[cue] = torch.where(valid[cue].unsqueeze(-1), closed, 0.0)
    return chances(network, shown, valid).cpu().numpy()
