"""Whether what is said to carry a decision carries it: time steps are taken away, and the value is watched.

The check of Samek et al., 2017, "Evaluating the visualization of what a deep neural network has learned": steps taken
in the order of falling weight must cost more, such as probability, than steps taken at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import stats

from tricue.explain.attribution import Answer, Tensors, answers_of, read_vectors
from tricue.explain.explanation import Explanation
from tricue.explain.unit import Unit
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.types import ModalityName

SHARES = tuple(k / 10 for k in range(11))  # of a modality's moments that are taken away


@dataclass(frozen=True)
class Deletion:
    """The value that is explained, while a share of one modality's moments is gone and the other modalities are
    complete."""

    modality: ModalityName
    falling: np.ndarray  # (shares,): the weightiest go first
    random: np.ndarray  # (orders, shares)
    unit: Unit = field(default_factory=Unit)

    @property
    def area(self) -> float:
        """How much lower `falling` lies than `random`, mean over the shares: what the weights tell."""
        return float((self.random.mean(axis=0) - self.falling).mean())


def delete_moments(
    network: Network,
    explanation: Explanation,
    features: FeatureSet,
    modality: ModalityName,
    orders: int = 10,
    seed: int = 0,
) -> Deletion:
    """Take the moments of `modality` away: by falling weight, and in `orders` random orders; with all of them gone
    the modality is absent. What stays closes up, as if the rest had never been there.
    """
    steps = explanation.steps[modality]
    random = np.random.default_rng(seed)
    ways = [np.argsort([-step.weight for step in steps], kind="stable")]
    ways += [random.permutation(len(steps)) for _ in range(orders)]
    kept = np.stack([_kept(way, round(share * len(steps))) for way in ways for share in SHARES])
    of_step = np.repeat(np.arange(len(steps)), [step.moment.steps for step in steps])
    vectors, masks = read_vectors(network, explanation.prediction.id, features, "cpu")
    left = _answers_with(answers_of(network, explanation.task), vectors, masks, modality, kept[:, of_step])
    curves = left[:, explanation.task.names.index(explanation.target)].reshape(len(ways), len(SHARES))
    return Deletion(modality, curves[0], curves[1:], explanation.unit)


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
def _answers_with(
    answer: Answer, vectors: Tensors, masks: Tensors, modality: ModalityName, kept: np.ndarray
) -> np.ndarray:
    """Values (R, V) with the time steps `kept` (R, T) of `modality`."""
    left = torch.from_numpy(kept).to(masks[modality].device)
    shown = {own: x.expand(len(kept), -1, -1) for own, x in vectors.items()}
    valid = {own: mask.expand(len(kept), -1) for own, mask in masks.items()}
    order = (~left).long().argsort(dim=1, stable=True)  # valid steps stand first
    valid[modality] = left.gather(1, order)
    closed = shown[modality].gather(1, order.unsqueeze(-1).expand_as(shown[modality]))
    shown[modality] = torch.where(valid[modality].unsqueeze(-1), closed, 0.0)
    return answer(shown, valid).cpu().numpy()
