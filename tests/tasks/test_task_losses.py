"""Focal and intention losses against the formulas of the seed and the design, in float64 loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tricue.tasks.task_losses import class_weights, focal_loss, intention_loss


def one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return functional.one_hot(labels, classes).float()


COUNTS = torch.tensor([4710, 1743, 1205, 1109, 683, 271, 268])  # MELD's training split


@pytest.mark.parametrize(("scheme", "power"), [("none", 0.0), ("sqrt", 0.5), ("inverse", 1.0)])
def test_class_weights_follow_a_power_of_the_frequency(scheme: str, power: float) -> None:
    """Up to a common factor, which the losses divide out."""
    weights = class_weights(COUNTS, scheme).double()
    want = COUNTS.double() ** -power
    torch.testing.assert_close(weights / weights[0], want / want[0], rtol=1e-5, atol=0.0)


def test_effective_number_lies_between_none_and_inverse() -> None:
    """(1 - beta) / (1 - beta^n), Cui et al. 2019: monotone, milder than 1 / n."""
    effective = class_weights(COUNTS, "effective").double()
    inverse = class_weights(COUNTS, "inverse").double()
    ratio, bound = effective / effective[0], inverse / inverse[0]
    assert (ratio[1:] > ratio[:-1]).all()
    assert (ratio[1:] < bound[1:]).all()
    beta = 1.0 - 1.0 / COUNTS.sum().double()  # their (N - 1) / N
    want = 1.0 / (1.0 - beta ** COUNTS.double())
    torch.testing.assert_close(ratio, want / want[0], rtol=2e-4, atol=0.0)


@pytest.mark.parametrize("scheme", ["none", "sqrt", "inverse", "effective"])
def test_a_class_without_rows_keeps_the_weights_finite(scheme: str) -> None:
    weights = class_weights(torch.tensor([5, 0, 3]), scheme)
    assert weights.isfinite().all() and (weights >= 0).all() and (weights[[0, 2]] > 0).all()


def test_focal_with_gamma_0_is_weighted_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels, weights = torch.randn(32, 7), torch.randint(7, (32,)), torch.rand(7) + 0.1
    want = functional.cross_entropy(logits, labels, weight=weights, reduction="mean")
    torch.testing.assert_close(focal_loss(logits, one_hot(labels, 7), weights, 0.0), want, rtol=1e-6, atol=1e-6)


def test_label_smoothing_is_that_of_torch() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(32, 7), torch.randint(7, (32,))
    want = functional.cross_entropy(logits, labels, label_smoothing=0.1)
    found = focal_loss(logits, one_hot(labels, 7), torch.ones(7), 0.0, 0.1)
    torch.testing.assert_close(found, want, rtol=1e-6, atol=1e-6)
    assert not torch.isclose(found, functional.cross_entropy(logits, labels))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_is_the_formula(gamma: float) -> None:
    """sum w_y (1 - p_y)^gamma (-log p_y) / sum w_y, p from the unweighted softmax."""
    torch.manual_seed(1)
    logits, labels, weights = 2 * torch.randn(12, 5), torch.randint(5, (12,)), torch.rand(5) + 0.1
    total = weight_sum = 0.0
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(z) for z in row)
        total += float(weights[label]) * (1 - p) ** gamma * -math.log(p)
        weight_sum += float(weights[label])
    assert focal_loss(logits, one_hot(labels, 5), weights, gamma).item() == pytest.approx(total / weight_sum, rel=1e-5)


def test_focal_worked_by_hand() -> None:
    """p_t = 1/2 in both rows: (1/2)^2 ln 2, whatever the weights."""
    loss = focal_loss(torch.zeros(2, 2), torch.eye(2), torch.tensor([1.0, 9.0]), 2.0)
    assert loss.item() == pytest.approx(0.25 * math.log(2))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_has_finite_gradients_at_certainty(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([[1.0, 0.0]] * 2), torch.ones(2), gamma)
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def naive_intention(
    intention: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor, threshold: float, smoothing: float
) -> float:
    total = weight_sum = 0.0
    classes = logits.shape[1]
    for row, base, label in zip(intention.double().tolist(), logits.double().tolist(), labels.tolist(), strict=True):
        confidence = max(math.exp(z) for z in base) / sum(math.exp(z) for z in base)
        if confidence <= threshold:
            continue
        log_sum = math.log(sum(math.exp(z) for z in row))
        loss = 0.0
        for c in range(classes):
            target = smoothing / classes + (1.0 - smoothing if c == label else 0.0)
            loss -= target * (row[c] - log_sum)
        total += confidence * loss
        weight_sum += confidence
    return total / weight_sum if weight_sum else 0.0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000), smoothing=st.sampled_from([0.0, 0.1, 0.3]), threshold=st.sampled_from([0.0, 0.5, 0.7])
)
def test_intention_masks_weighs_and_smooths(seed: int, smoothing: float, threshold: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(10, 5, generator=generator)
    intention = torch.randn(10, 5, generator=generator)
    labels = torch.randint(5, (10,), generator=generator)
    got = intention_loss(intention, logits, labels, threshold, smoothing).item()
    assert got == pytest.approx(naive_intention(intention, logits, labels, threshold, smoothing), rel=1e-5, abs=1e-6)


def test_intention_worked_by_hand() -> None:
    """Row 0 is sure (0.8), row 1 is not (0.6): only row 0 counts, and its weight divides out: ln 2."""
    logits = torch.log(torch.tensor([[0.8, 0.2], [0.4, 0.6]]))
    intention = torch.tensor([[0.0, 0.0], [9.0, -9.0]])
    labels = torch.tensor([1, 1])  # the label decides, not the base model's choice
    assert intention_loss(intention, logits, labels, 0.7, 0.1).item() == pytest.approx(math.log(2))


def test_intention_weighs_by_confidence() -> None:
    """Confidences 0.9 and 0.75, losses ln 2 and ln 4: (0.9 ln 2 + 0.75 * 2 ln 2) / 1.65."""
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.75, 0.25]]))
    intention = torch.log(torch.tensor([[0.5, 0.5], [0.75, 0.25]]))
    got = intention_loss(intention, logits, torch.tensor([0, 1]), 0.7, 0.0).item()
    assert got == pytest.approx((0.9 + 0.75 * 2) * math.log(2) / 1.65, rel=1e-5)


def test_intention_without_a_sure_row_is_zero_and_finite() -> None:
    intention = torch.randn(4, 3, requires_grad=True)
    loss = intention_loss(intention, torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), 0.7, 0.1)
    assert loss.item() == 0.0
    (loss + 0.0 * intention.sum()).backward()
    assert intention.grad is not None and (intention.grad == 0).all()


def test_intention_does_not_train_the_classifier() -> None:
    logits = (5 * torch.eye(3)).requires_grad_()
    intention = torch.randn(3, 3, requires_grad=True)
    intention_loss(intention, logits, torch.tensor([0, 1, 0]), 0.7, 0.1).backward()
    assert logits.grad is None or (logits.grad == 0).all()
    assert intention.grad is not None and (intention.grad != 0).any()
