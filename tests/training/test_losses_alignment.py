"""The three forms of the alignment loss against the formulas of the seed and the design, in float64 loops."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tricue.training.losses import alignment_loss, change_penalty

TAU, MARGIN = 0.1, 0.5
FORMS = ("mean", "seed", "supcon")

labels_up_to_16 = st.lists(st.integers(0, 3), min_size=1, max_size=16)


def similarities(h_org: torch.Tensor, h_cf: torch.Tensor) -> np.ndarray:
    a, b = h_org.double().numpy(), h_cf.double().numpy()
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T / TAU


def naive_alignment(h_org: torch.Tensor, h_cf: torch.Tensor, labels: list[int], form: str) -> float:
    """Row by row as the seed writes it, in exp form while that is finite; mean over the counted rows."""
    s = similarities(h_org, h_cf)
    rows = []
    for i, label in enumerate(labels):
        pos = [j for j, other in enumerate(labels) if other == label]
        neg = [k for k, other in enumerate(labels) if other != label]
        if not neg and form != "seed":
            continue
        hinges = [max(s[i, k] + MARGIN, 0.0) for k in neg]
        if form == "supcon":
            below = sum(math.exp(s[i, a]) for a in range(len(labels)))
            rows.append(-sum(math.log(math.exp(s[i, p]) / below) for p in pos) / len(pos))
            continue
        p, n = sum(s[i, j] for j in pos), sum(hinges)
        if form == "mean":
            p, n = p / len(pos), n / len(neg)
        rows.append(math.log(1.0 + math.exp(n - p)) if n - p < 500 else n - p)
    return sum(rows) / len(rows) if rows else 0.0


def loss_of(h_org: torch.Tensor, h_cf: torch.Tensor, labels: Sequence[int] | torch.Tensor, form: str) -> torch.Tensor:
    classes = torch.as_tensor(labels)
    return alignment_loss(h_org, h_cf, classes[:, None] == classes[None, :], form, TAU, MARGIN)


def pair(rows: int, width: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h_org = torch.randn(rows, width, generator=generator)
    return h_org, h_org + 0.5 * torch.randn(rows, width, generator=generator)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(labels=labels_up_to_16, form=st.sampled_from(FORMS), seed=st.integers(0, 1000))
def test_alignment_is_the_naive_formula(labels: list[int], form: str, seed: int) -> None:
    h_org, h_cf = pair(len(labels), seed=seed)
    got = loss_of(h_org, h_cf, labels, form).item()
    assert got == pytest.approx(naive_alignment(h_org, h_cf, labels, form), rel=1e-4, abs=1e-5)


def test_alignment_seed_is_the_literal_exponential_form() -> None:
    """-mean log(exp(P) / (exp(P) + exp(N))) letter by letter, few rows, so that nothing overflows."""
    h_org, h_cf = pair(5, seed=3)
    labels = [0, 1, 0, 2, 1]
    s = similarities(h_org, h_cf)
    total = 0.0
    for i in range(5):
        p = math.exp(sum(s[i, j] for j in range(5) if labels[j] == labels[i]))
        n = math.exp(sum(max(s[i, k] + MARGIN, 0.0) for k in range(5) if labels[k] != labels[i]))
        total += math.log(p / (p + n))
    got = loss_of(h_org, h_cf, labels, "seed").item()
    assert got == pytest.approx(-total / 5, rel=1e-4, abs=1e-5)


def test_alignment_worked_by_hand() -> None:
    """Two orthogonal rows of two classes, h_cf = h_org: P = 1 / tau = 10, N = max(0 + 0.5, 0)."""
    h = 3.0 * torch.eye(2)
    labels = torch.tensor([0, 1])
    for form in ("seed", "mean"):
        got = loss_of(h, h, labels, form).item()
        assert got == pytest.approx(math.log1p(math.exp(0.5 - 10)), rel=1e-4)
    got = loss_of(h, h, labels, "supcon").item()
    assert got == pytest.approx(math.log1p(math.exp(-10)), rel=1e-2)


@pytest.mark.parametrize("form", ["mean", "supcon"])
def test_a_batch_of_one_class_counts_nothing_but_keeps_the_graph(form: str) -> None:
    h_org, h_cf = pair(4)
    h_org.requires_grad_()
    loss = loss_of(h_org, h_cf, torch.zeros(4, dtype=torch.long), form)
    assert loss.item() == 0.0
    (loss + 0.0 * h_org.sum()).backward()
    assert h_org.grad is not None and h_org.grad.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
def test_alignment_does_not_depend_on_the_order_or_the_length_of_h(form: str) -> None:
    h_org, h_cf = pair(10)
    labels = torch.arange(10) % 3
    loss = loss_of(h_org, h_cf, labels, form)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    shuffled = loss_of(h_org[order], h_cf[order], labels[order], form)
    scaled = loss_of(7.0 * h_org, 0.2 * h_cf, labels, form)
    torch.testing.assert_close(shuffled, loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scaled, loss, rtol=1e-4, atol=1e-5)


def gradient_norms(rows: int, form: str, seed: int) -> np.ndarray:
    h_org, h_cf = (h.requires_grad_() for h in pair(rows, 256, seed))
    labels = torch.randint(7, (rows,), generator=torch.Generator().manual_seed(seed))
    loss_of(h_org, h_cf, labels, form).backward()
    assert h_org.grad is not None and h_cf.grad is not None
    return np.array([h_org.grad.norm().item(), h_cf.grad.norm().item()])


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_form_does_not_grow_with_the_batch(seed: int) -> None:
    """Norm of the gradient on H at 512 rows at most twice that at 16."""
    assert (gradient_norms(512, "mean", seed) <= 2.0 * gradient_norms(16, "mean", seed)).all()


@pytest.mark.parametrize("form", FORMS)
def test_alignment_is_finite_at_512_rows_of_one_direction(form: str) -> None:
    h = torch.ones(512, 8, requires_grad=True)
    loss = loss_of(h, h, torch.arange(512) % 7, form)
    loss.backward()
    assert loss.isfinite() and h.grad is not None and h.grad.isfinite().all()


def test_change_is_the_mean_distance() -> None:
    h_org = torch.zeros(2, 2)
    h_cf = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert change_penalty(h_org, h_cf).item() == pytest.approx((5 + 1) / 2)


def test_change_has_a_finite_gradient_where_nothing_changed() -> None:
    h_cf = torch.ones(2, 3, requires_grad=True)
    change_penalty(torch.ones(2, 3), h_cf).backward()
    assert h_cf.grad is not None and h_cf.grad.isfinite().all()
