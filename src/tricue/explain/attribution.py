"""How much each time step adds to a value of the answer: Integrated Gradients on what the network reads.

Sundararajan et al., 2017, "Axiomatic attribution for deep networks", equation 1; the gradients are captum's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.batches import collate
from tricue.tasks.task import Task
from tricue.types import ModalityName

TOLERANCE = 0.01  # of a value's range: how exactly the weights add up, where MOST_POINTS suffice for it
MOST_POINTS = 600  # at which gradients are taken; a trained network needs 50 to 200
_NODES = 3  # Gauss-Legendre points per stretch of the path
_EDGES = (0.0, *(2.0**k for k in range(-7, 1)))  # LayerNorm makes the path steep near its beginning
_STEPS_AT_ONCE = 8192  # time steps per pass; bounds memory, changes no value

Tensors = Mapping[ModalityName, torch.Tensor]
Answer = Callable[[Tensors, Tensors], torch.Tensor]  # vectors and masks of `Network.vectors` -> values (B, V) float64
Stretch = tuple[float, float]  # of the path, from 0 to 1


@dataclass(frozen=True)
class Attribution:
    """weights + baseline + residual = the value."""

    weights: dict[ModalityName, torch.Tensor]  # (T,) float64, the sum over a step's dimensions; 0 at masked steps
    baseline: float  # the value where every time step is the mean of the training rows
    residual: float  # what the integral missed


def answers_of(network: Network, task: Task) -> Answer:
    """What the network says of vectors and masks, before calibration."""
    return lambda vectors, masks: task.values(network.decide(vectors, masks).logits, None)


def attribute(answer: Answer, vectors: Tensors, masks: Tensors, target: int, span: float = 1.0) -> Attribution:
    """The weights of all time steps of one utterance, all modalities at once, in the value `target` of its answer.

    vectors (1, T, D), masks (1, T): as `Network.vectors` gives them, so that zero is the mean of the training rows, and
    a live text encoder lies before the path (token ids are on none). span: of the value, from its lowest to its
    highest. The path from there to the vectors is cut into stretches; one over which the weights miss the change of the
    value is halved.
    """
    total = {modality: torch.zeros(mask.shape[1], dtype=torch.float64) for modality, mask in masks.items()}
    waiting, points = list(pairwise(_EDGES)), 0
    while waiting:
        points += _NODES * len(waiting)
        halved: list[Stretch] = []
        for (low, high), weights, missed in _over(answer, vectors, masks, target, waiting):
            if abs(missed) > TOLERANCE / 10 * span and points < MOST_POINTS:
                halved += [(low, (low + high) / 2), ((low + high) / 2, high)]
            else:
                total = {modality: total[modality] + weights[modality] for modality in total}
        waiting = halved
    with torch.no_grad():
        ends = answer(*_at(vectors, masks, torch.tensor([0.0, 1.0])))[:, target].tolist()
    return Attribution(total, ends[0], ends[1] - ends[0] - sum(float(own.sum()) for own in total.values()))


def _over(
    answer: Answer, vectors: Tensors, masks: Tensors, target: int, stretches: Sequence[Stretch]
) -> Iterator[tuple[Stretch, dict[ModalityName, torch.Tensor], float]]:
    """Each stretch with its weights (T,), and by how much they miss the change of the value over it."""
    from captum.attr import IntegratedGradients  # not at the top: it loads matplotlib, and takes as long as torch

    modalities = list(vectors)

    def forward(*tensors: torch.Tensor) -> torch.Tensor:
        of, masked = tensors[: len(modalities)], tensors[len(modalities) :]
        return answer(dict(zip(modalities, of, strict=True)), dict(zip(modalities, masked, strict=True)))

    size = max(1, _STEPS_AT_ONCE // (_NODES * sum(x.shape[1] for x in vectors.values())))
    for at in range(0, len(stretches), size):
        part = stretches[at : at + size]
        lows, highs = torch.tensor(part).unbind(dim=1)
        (start, _), (end, expanded) = _at(vectors, masks, lows), _at(vectors, masks, highs)
        with torch.backends.cudnn.flags(enabled=False):  # its LSTM has no backward pass in evaluation mode
            found = IntegratedGradients(forward).attribute(
                tuple(end.values()),
                tuple(start.values()),
                target=target,
                additional_forward_args=tuple(expanded.values()),
                n_steps=_NODES,
            )
        weights = {c: own.detach().sum(dim=-1).double().cpu() for c, own in zip(modalities, found, strict=True)}
        with torch.no_grad():
            before, after = (answer(x, expanded)[:, target].cpu() for x in (start, end))
        missed = after - before - sum(own.sum(dim=1) for own in weights.values())
        for i, stretch in enumerate(part):
            yield stretch, {modality: own[i] for modality, own in weights.items()}, float(missed[i])


def _at(vectors: Tensors, masks: Tensors, places: torch.Tensor) -> tuple[Tensors, Tensors]:
    """The points (P, T, D) of the path at `places` (P,) from 0, the mean of the training rows, to 1; their masks."""
    scaled = {modality: x * places.to(x.device)[:, None, None] for modality, x in vectors.items()}
    return scaled, {modality: mask.expand(len(places), -1) for modality, mask in masks.items()}


@torch.no_grad()
def read_vectors(
    network: Network, id_: str, features: FeatureSet, device: str
) -> tuple[dict[ModalityName, torch.Tensor], dict[ModalityName, torch.Tensor]]:
    """`Network.vectors` of one utterance: (1, T, D) and masks (1, T), all valid, of the modalities that it has."""
    network.eval()
    return network.vectors(collate([id_], features.arrays, None).to(device))
