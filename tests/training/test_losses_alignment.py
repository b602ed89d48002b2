"""The three forms of the alignment loss against the formulas of the seed and the design, in float64 loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tricue.training.losses import AlignmentQueue, alignment_loss

TAU, MARGIN = 0.1, 0.5
FORMS = ("mean", "seed", "supcon")

labels_up_to_16 = st.lists(st.integers(0, 3), min_size=1, max_size=16)


def similarities(h_org: torch.Tensor, h_cf: torch.Tensor) -> np.ndarray:
    a, b = h_org.double().numpy(), h_cf.double().numpy()
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T / TAU


def naive_alignment(
    h_org: torch.Tensor,
    h_cf: torch.Tensor,
    labels: list[int],
    form: str,
    partner_labels: list[int] | None = None,
) -> float:
    """Row by row as the seed writes it, in exp form while that is finite; mean over the counted rows."""
    s = similarities(h_org, h_cf)
    partners = labels if partner_labels is None else partner_labels
    rows = []
    for i, label in enumerate(labels):
        pos = [j for j, other in enumerate(partners) if other == label]
        neg = [k for k, other in enumerate(partners) if other != label]
        if not neg and form != "seed":
            continue
        hinges = [max(s[i, k] + MARGIN, 0.0) for k in neg]
        if form == "supcon":
            below = sum(math.exp(s[i, a]) for a in range(len(partners)))
            rows.append(-sum(math.log(math.exp(s[i, p]) / below) for p in pos) / len(pos))
            continue
        p, n = sum(s[i, j] for j in pos), sum(hinges)
        if form == "mean":
            p, n = p / len(pos), n / len(neg)
        rows.append(math.log(1.0 + math.exp(n - p)) if n - p < 500 else n - p)
    return sum(rows) / len(rows) if rows else 0.0


def pair(rows: int, width: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h_org = torch.randn(rows, width, generator=generator)
    return h_org, h_org + 0.5 * torch.randn(rows, width, generator=generator)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(labels=labels_up_to_16, form=st.sampled_from(FORMS), seed=st.integers(0, 1000))
def test_alignment_is_the_naive_formula(labels: list[int], form: str, seed: int) -> None:
    h_org, h_cf = pair(len(labels), seed=seed)
    got = alignment_loss(h_org, h_cf, torch.tensor(labels), form, TAU, MARGIN).item()
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
    got = alignment_loss(h_org, h_cf, torch.tensor(labels), "seed", TAU, MARGIN).item()
    assert got == pytest.approx(-total / 5, rel=1e-4, abs=1e-5)


def test_alignment_worked_by_hand() -> None:
    """Two orthogonal rows of two classes, h_cf = h_org: P = 1 / tau = 10, N = max(0 + 0.5, 0)."""
    h = 3.0 * torch.eye(2)
    labels = torch.tensor([0, 1])
    for form in ("seed", "mean"):
        got = alignment_loss(h, h, labels, form, TAU, MARGIN).item()
        assert got == pytest.approx(math.log1p(math.exp(0.5 - 10)), rel=1e-4)
    got = alignment_loss(h, h, labels, "supcon", TAU, MARGIN).item()
    assert got == pytest.approx(math.log1p(math.exp(-10)), rel=1e-2)


@pytest.mark.parametrize("form", ["mean", "supcon"])
def test_a_batch_of_one_class_counts_nothing_but_keeps_the_graph(form: str) -> None:
    h_org, h_cf = pair(4)
    h_org.requires_grad_()
    loss = alignment_loss(h_org, h_cf, torch.zeros(4, dtype=torch.long), form, TAU, MARGIN)
    assert loss.item() == 0.0
    (loss + 0.0 * h_org.sum()).backward()
    assert h_org.grad is not None and h_org.grad.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
def test_alignment_does_not_depend_on_the_order_or_the_length_of_h(form: str) -> None:
    h_org, h_cf = pair(10)
    labels = torch.arange(10) % 3
    loss = alignment_loss(h_org, h_cf, labels, form, TAU, MARGIN)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    shuffled = alignment_loss(h_org[order], h_cf[order], labels[order], form, TAU, MARGIN)
    scaled = alignment_loss(7.0 * h_org, 0.2 * h_cf, labels, form, TAU, MARGIN)
    torch.testing.assert_close(shuffled, loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scaled, loss, rtol=1e-4, atol=1e-5)


def gradient_norms(rows: int, form: str, seed: int) -> np.ndarray:
    h_org, h_cf = (h.requires_grad_() for h in pair(rows, 256, seed))
    labels = torch.randint(7, (rows,), generator=torch.Generator().manual_seed(seed))
    alignment_loss(h_org, h_cf, labels, form, TAU, MARGIN).backward()
    assert h_org.grad is not None and h_cf.grad is not None
    return np.array([h_org.grad.norm().item(), h_cf.grad.norm().item()])


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_form_does_not_grow_with_the_batch(seed: int) -> None:
    """Norm of the gradient on H at 512 rows at most twice that at 16."""
    assert (gradient_norms(512, "mean", seed) <= 2.0 * gradient_norms(16, "mean", seed)).all()


def test_the_literal_sums_grow_with_the_batch_and_the_means_do_not() -> None:
    """Why `mean` is the default: at 512 rows the seed's sums would drown the focal loss."""
    value = {
        (form, rows): alignment_loss(*pair(rows, 256), torch.arange(rows) % 7, form, TAU, MARGIN).item()
        for form in ("seed", "mean")
        for rows in (16, 512)
    }
    assert value["seed", 512] > 10 * value["seed", 16]
    assert value["mean", 512] < value["seed", 512] / 100


@pytest.mark.parametrize("form", FORMS)
def test_alignment_is_finite_at_512_rows_of_one_direction(form: str) -> None:
    h = torch.ones(512, 8, requires_grad=True)
    loss = alignment_loss(h, h, torch.arange(512) % 7, form, TAU, MARGIN)
    loss.backward()
    assert loss.isfinite() and h.grad is not None and h.grad.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pushes", [1, 4])
def test_the_queue_adds_partners_and_drops_the_oldest(form: str, pushes: int) -> None:
    queue = AlignmentQueue(6, 12)
    kept_h: list[torch.Tensor] = []
    kept_labels: list[int] = []
    for step in range(pushes):  # 4 pushes of 2 rows into 6 places: the first push falls out
        _, h_cf = pair(2, seed=10 + step)
        pushed = [step % 3, 2]
        queue.push(h_cf, torch.tensor(pushed))
        kept_h = [*kept_h, *h_cf][-6:]
        kept_labels = [*kept_labels, *pushed][-6:]
    h_org, h_cf = pair(3, seed=1)
    labels = [0, 0, 1]
    got = alignment_loss(h_org, h_cf, torch.tensor(labels), form, TAU, MARGIN, queue=queue).item()
    partners = torch.cat([h_cf, torch.stack(kept_h)])
    want = naive_alignment(h_org, partners, labels, form, [*labels, *kept_labels])
    assert got == pytest.approx(want, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_queue_changes_nothing(form: str) -> None:
    h_org, h_cf = pair(6)
    labels = torch.arange(6) % 2
    plain = alignment_loss(h_org, h_cf, labels, form, TAU, MARGIN)
    queued = alignment_loss(h_org, h_cf, labels, form, TAU, MARGIN, queue=AlignmentQueue(8, 12))
    torch.testing.assert_close(queued, plain)


def test_the_queue_holds_detached_values_of_its_own() -> None:
    queue = AlignmentQueue(6, 12)
    _, earlier = pair(2, seed=5)
    earlier.requires_grad_()
    queue.push(earlier * 1.0, torch.tensor([0, 1]))
    h_org, h_cf = pair(3, seed=1)
    h_org.requires_grad_()
    arguments = (h_org, h_cf, torch.tensor([0, 0, 1]), "mean", TAU, MARGIN)
    before = alignment_loss(*arguments, queue=queue)
    before.backward()
    assert earlier.grad is None
    with torch.no_grad():
        earlier.zero_()
    torch.testing.assert_close(alignment_loss(*arguments, queue=queue), before)
