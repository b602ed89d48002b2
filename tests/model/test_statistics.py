"""The statistics of a modality's features against numpy's, and at the edges of what they are of."""

import numpy as np
import pytest
import torch

from tricue.model.statistics import FARTHEST, Statistics, summarise

DIM = 3


def identity() -> Statistics:
    """Its output is what the matrix reads: the scaled mean and deviation."""
    made = Statistics(DIM, 2 * DIM, dropout=0.5).eval()
    with torch.no_grad():
        made.linear.weight.copy_(torch.eye(2 * DIM))
        made.linear.bias.zero_()
    return made


def rows(lengths: list[int], padding: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.where(mask[..., None], torch.randn(len(lengths), max(lengths), DIM), padding), mask


def test_mean_and_deviation_are_those_of_numpy() -> None:
    x, mask = rows([5, 2, 4])
    found = summarise(x, mask)
    for row, (own, valid) in enumerate(zip(x.numpy(), mask.numpy(), strict=True)):
        want = np.concatenate([own[valid].mean(axis=0), own[valid].std(axis=0)])
        np.testing.assert_allclose(found[row].numpy(), want, atol=1e-4)


def test_they_are_scaled_by_their_own_mean_and_deviation() -> None:
    made, (x, mask) = identity(), rows([5, 2, 4])
    mean, std = torch.linspace(-0.5, 0.5, 2 * DIM), torch.linspace(0.5, 2.0, 2 * DIM)
    made.scaling.load_state_dict({"mean": mean, "std": std})
    torch.testing.assert_close(made(x, mask).detach(), (summarise(x, mask) - mean) / std)


@pytest.mark.parametrize("length", [0, 1])
def test_a_row_of_one_step_or_none_is_finite_and_within_bounds(length: int) -> None:
    """Its deviation is 0, of training rows that all move: far off, and cut."""
    made, (x, mask) = identity(), rows([length, 4])
    made.scaling.load_state_dict({"mean": torch.ones(2 * DIM), "std": torch.full((2 * DIM,), 0.01)})
    x.requires_grad_()
    found = made(x, mask)
    assert found.isfinite().all() and torch.equal(found[0, DIM:], torch.full((DIM,), -FARTHEST))
    summarise(x, mask).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
