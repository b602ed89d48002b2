"""Integrated Gradients on what the network reads: by hand, and against a plain sum over many points."""

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tricue.config.load import load_config
from tricue.explain.attribution import TOLERANCE, Answer, attribute
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.types import ModalityName

WIDTH: dict[ModalityName, int] = {"text": 24, "audio": 25, "video": 20}
STEPS: dict[ModalityName, int] = {"text": 5, "audio": 7, "video": 3}
Tensors = dict[ModalityName, torch.Tensor]


class Linear:
    """A network in name: logits [0, bias + the sum over modalities and valid steps of w . x]."""

    def __init__(self, weights: Tensors, bias: float = 0.0) -> None:
        self.weights, self.bias = weights, bias

    def decide(self, vectors: Tensors, masks: Tensors) -> Any:
        sums = [(vectors[modality] @ w * masks[modality]).sum(dim=1) for modality, w in self.weights.items()]
        score = torch.stack(sums).sum(dim=0) + self.bias
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(score), score], dim=1))


class Step:
    """A decision that turns over at one point of the path, and whose gradient is 0 everywhere else."""

    def decide(self, vectors: Tensors, masks: Tensors) -> Any:
        inside = vectors["text"].sum(dim=(1, 2))
        score = torch.where(inside > 0.3, 30.0, -30.0) + 0 * inside
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(score), score], dim=1))


def chances(made: Any) -> Answer:
    return lambda vectors, masks: made.decide(vectors, masks).logits.double().softmax(dim=-1)


def network() -> Network:
    torch.manual_seed(0)
    config = load_config(None, {"model.width": 32})
    dims: dict[ModalityName, tuple[int, ...]] = {"text": (24,), "audio": (16, 9), "video": (20,)}
    made = Network.from_config(config, dims, 4).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
        made.classifier.weight.mul_(4)
    return made


def drawn(padding: int = 0, junk: float = 0.0) -> tuple[Tensors, Tensors]:
    generator = torch.Generator().manual_seed(1)
    vectors: Tensors = {}
    masks: Tensors = {}
    for modality in MODALITIES:
        own = torch.randn(1, STEPS[modality], WIDTH[modality], generator=generator)
        vectors[modality] = torch.cat([own, torch.full((1, padding, WIDTH[modality]), junk)], dim=1)
        masks[modality] = torch.arange(STEPS[modality] + padding)[None] < STEPS[modality]
    return vectors, masks


def test_a_linear_score_by_hand() -> None:
    """Of p = 1 / (1 + exp(-b - w . x)) a step gets its share of w . x, of what p changes by."""
    linear: Any = Linear({"text": torch.tensor([1.0, -2.0]), "video": torch.tensor([0.5])}, bias=-0.5)
    vectors: Tensors = {
        "text": torch.tensor([[[1.0, 0.0], [0.0, 0.25]]]),  # scores 1 and -0.5
        "video": torch.tensor([[[3.0]]]),  # score 1.5
    }
    masks: Tensors = {"text": torch.ones(1, 2, dtype=torch.bool), "video": torch.ones(1, 1, dtype=torch.bool)}
    found = attribute(chances(linear), vectors, masks, target=1)
    before, after = 1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(-1.5))
    assert found.baseline == pytest.approx(before, abs=1e-7)
    share = (after - before) / 2.0
    assert found.weights["text"].tolist() == pytest.approx([share, -0.5 * share], abs=1e-5)
    assert found.weights["video"].tolist() == pytest.approx([1.5 * share], abs=1e-5)
    other = attribute(chances(linear), vectors, masks, target=0)  # of two classes the other loses what this one gains
    assert other.weights["text"].tolist() == pytest.approx([-share, 0.5 * share], abs=1e-5)


def plain_sum(made: Network, vectors: Tensors, masks: Tensors, target: int) -> Tensors:
    """Integrated Gradients as they are defined: means of gradients at very many points, most of them near 0."""
    total = {modality: torch.zeros(STEPS[modality], dtype=torch.float64) for modality in MODALITIES}
    for low, high in pairwise([0.0, *(2.0**k for k in range(-13, 1))]):
        places = low + (high - low) * (torch.arange(200) + 0.5) / 200
        inputs = {modality: (x * places[:, None, None]).detach().requires_grad_() for modality, x in vectors.items()}
        expanded = {modality: mask.expand(200, -1) for modality, mask in masks.items()}
        summed = made.decide(inputs, expanded).logits.softmax(dim=-1)[:, target].sum()
        gradients = torch.autograd.grad(summed, [inputs[modality] for modality in MODALITIES])
        for modality, gradient in zip(MODALITIES, gradients, strict=True):
            total[modality] += (gradient * vectors[modality]).double().sum(dim=(0, 2)) * (high - low) / 200
    return total


def test_the_network_against_a_plain_sum_over_many_points() -> None:
    made, (vectors, masks) = network(), drawn()
    with torch.no_grad():
        target = int(made.decide(vectors, masks).logits.argmax())
    found, wanted = attribute(chances(made), vectors, masks, target), plain_sum(made, vectors, masks, target)
    for modality in MODALITIES:
        assert found.weights[modality].tolist() == pytest.approx(wanted[modality].tolist(), abs=TOLERANCE)
    assert max(float(own.abs().max()) for own in wanted.values()) > 5 * TOLERANCE  # else all would be near


def test_weights_baseline_and_residual_add_up() -> None:
    made, (vectors, masks) = network(), drawn()
    for target in range(4):
        found = attribute(chances(made), vectors, masks, target)
        with torch.no_grad():
            reached = float(made.decide(vectors, masks).logits.softmax(dim=-1)[0, target])
            mean = made.decide({modality: 0 * x for modality, x in vectors.items()}, masks).logits.softmax(dim=-1)
        total = sum(float(own.sum()) for own in found.weights.values())
        assert found.baseline == pytest.approx(float(mean[0, target]), abs=1e-6)
        assert total + found.baseline == pytest.approx(reached, abs=TOLERANCE)
        assert total + found.baseline + found.residual == pytest.approx(reached, abs=1e-6)


@pytest.mark.parametrize("junk", [0.0, 7.0])
def test_padding_gets_exactly_0_and_changes_nothing(junk: float) -> None:
    """junk: what stands in masked places of what `Linear` reads; a network's own masked vectors are zeros."""
    linear: Any = Linear({modality: torch.linspace(-1, 1, WIDTH[modality]) for modality in MODALITIES})
    made: Any = linear if junk else network()
    plain, padded = attribute(chances(made), *drawn(), target=1), attribute(chances(made), *drawn(3, junk), target=1)
    for modality in MODALITIES:
        weights = padded.weights[modality].tolist()
        assert weights[STEPS[modality] :] == [0.0, 0.0, 0.0]
        assert weights[: STEPS[modality]] == pytest.approx(plain.weights[modality].tolist(), abs=1e-5)


def test_what_cannot_be_integrated_ends_and_says_what_it_missed() -> None:
    step: Any = Step()
    found = attribute(chances(step), {"text": torch.full((1, 1, 1), 1.0)}, {"text": torch.ones(1, 1).bool()}, target=1)
    assert found.weights["text"].tolist() == [0.0]
    assert (found.baseline, found.residual) == pytest.approx((0.0, 1.0))


def test_gradients_of_the_weights_are_left_alone() -> None:
    made = network()
    attribute(chances(made), *drawn(), target=0)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in made.parameters())
