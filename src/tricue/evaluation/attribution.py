"""How much each time step adds to the probability of a class: Integrated Gradients on what the network reads.

Sundararajan et al., 2017, "Axiomatic attribution for deep networks", equation 1; the gradients are captum's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from tricue.features.extract import FeatureSet
from tricue.model.network import Network
from tricue.training.batches import collate
from tricue.types import Cue

TOLERANCE = 0.01  # of probability: how exactly the weights add up, where MOST_POINTS suffice for it
MOST_POINTS = 600  # at which gradients are taken; a trained network needs 50 to 200
_NODES = 3  # Gauss-Legendre points per stretch of the path
_EDGES = (0.0, *(2.0**k for k in range(-7, 1)))  # LayerNorm makes the path steep near its beginning
_STEPS_AT_ONCE = 8192  # time steps per pass; bounds memory, changes no value

Tensors = Mapping[Cue, torch.Tensor]
Stretch = tuple[float, float]  # of the path, from 0 to 1


@dataclass(frozen=True)
class Attribution:
    """weights + baseline + residual = the probability of the class."""

    weights: dict[Cue, torch.Tensor]  # (T,) float64, the sum over a step's dimensions; 0 at masked steps
    baseline: float  # probability where every time step is the mean of the training rows
    residual: float  # what the integral missed


def attribute(network: Network, vectors: Tensors, masks: Tensors, target: int) -> Attribution:
    """The weights of all time steps of one utterance, all cues at once, in the probability of class `target`.

    vectors (1, T, D), masks (1, T): as `Network.vectors` gives them, so that zero is the mean of the training rows, and
    a live text encoder lies before the path (token ids are on none). The path from there to the vectors is cut into
    stretches; one over which the weights miss the change of probability is halved.
    """
    total = {cue: torch.zeros(mask.shape[1], dtype=torch.float64) for cue, mask in masks.items()}
    waiting, points = list(pairwise(_EDGES)), 0
    while waiting:
        points += _NODES * len(waiting)
        halved: list[Stretch] = []
        for (low, high), weights, missed in _over(network, vectors, masks, target, waiting):
            if abs(missed) > TOLERANCE / 10 and points < MOST_POINTS:
                halved += [(low, (low + high) / 2), ((low + high) / 2, high)]
            else:
                total = {cue: total[cue] + weights[cue] for cue in total}
        waiting = halved
    with torch.no_grad():
        ends = _chances_at(network, vectors, masks, torch.tensor([0.0, 1.0]))[:, target].tolist()
    return Attribution(total, ends[0], ends[1] - ends[0] - sum(float(own.sum()) for own in total.values()))


def _over(
    network: Network, vectors: Tensors, masks: Tensors, target: int, stretches: Sequence[Stretch]
) -> Iterator[tuple[Stretch, dict[Cue, torch.Tensor], float]]:
    """Each stretch with its weights (T,), and by how much they miss the change of the probability over it."""
    from captum.attr import (
        IntegratedGradients,
    )  # not at the top: it loads matplotlib, and takes as long as torch

    cues = list(vectors)

    def forward(*tensors: torch.Tensor) -> torch.Tensor:
        of, masked = tensors[: len(cues)], tensors[len(cues) :]
        return chances(network, dict(zip(cues, of, strict=True)), dict(zip(cues, masked, strict=True)))

    size = max(1, _STEPS_AT_ONCE // (_NODES * sum(x.shape[1] for x in vectors.values())))
    for at in range(0, len(stretches), size):
        part = stretches[at : at + size]
        lows, highs = torch.tensor(part).unbind(dim=1)
        with torch.backends.cudnn.flags(enabled=False):  # its LSTM has no backward pass in evaluation mode
            found = IntegratedGradients(forward).attribute(
                tuple(_scaled(vectors, highs).values()),
                tuple(_scaled(vectors, lows).values()),
                target=target,
                additional_forward_args=tuple(masks[cue].expand(len(part), -1) for cue in cues),
                n_steps=_NODES,
            )
        weights = {c: own.detach().sum(dim=-1).double().cpu() for c, own in zip(cues, found, strict=True)}
        with torch.no_grad():
            ends = [_chances_at(network, vectors, masks, place)[:, target].cpu() for place in (lows, highs)]
        missed = ends[1] - ends[0] - sum(own.sum(dim=1) for own in weights.values())
        for i, stretch in enumerate(part):
            yield stretch, {cue: own[i] for cue, own in weights.items()}, float(missed[i])


def _scaled(vectors: Tensors, places: torch.Tensor) -> dict[Cue, torch.Tensor]:
    """The points (P, T, D) of the path at `places` (P,) from 0, the mean of the training rows, to 1."""
    return {cue: x * places.to(x.device)[:, None, None] for cue, x in vectors.items()}


def _chances_at(network: Network, vectors: Tensors, masks: Tensors, places: torch.Tensor) -> torch.Tensor:
    return chances(
        network,
        _scaled(vectors, places),
        {cue: mask.expand(len(places), -1) for cue, mask in masks.items()},
    )


def chances(network: Network, vectors: Tensors, masks: Tensors) -> torch.Tensor:
    """Probabilities (B, C) float64 of the classes, before calibration."""
    return network.decide(vectors, masks).logits.double().softmax(dim=-1)


@torch.no_grad()
def read_vectors(
    network: Network, id_: str, features: FeatureSet, device: str
) -> tuple[dict[Cue, torch.Tensor], dict[Cue, torch.Tensor]]:
    """`Network.vectors` of one utterance: (1, T, D) and masks (1, T), all valid, of the cues that it has."""
    network.eval()
    return network.vectors(collate([id_], features.arrays, None).to(device))
