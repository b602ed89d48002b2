"""The offset of a speaker from its rows, against the formulas of a random effect."""

import numpy as np
import torch

from tricue.adaptation.speaker_offsets import Offsets


def drawn(width: int = 6, directions: int = 4, seed: int = 0) -> tuple[Offsets, np.ndarray, np.ndarray]:
    """Offsets whose speakers differ along a few directions, with the two covariances that they stand for."""
    rng = np.random.default_rng(seed)
    within = np.cov(rng.normal(size=(50, width)).T)
    into = np.linalg.inv(np.linalg.cholesky(within)).T @ np.linalg.qr(rng.normal(size=(width, width)))[0]
    into, ratio = into[:, :directions], rng.uniform(0.1, 2.0, directions)
    out = (within @ into).T
    between = out.T @ np.diag(ratio) @ out
    parts = (rng.normal(size=(3, width)), into, out, ratio)
    return Offsets(*(torch.from_numpy(part).double() for part in parts)), within, between


def test_an_offset_is_the_mean_of_its_posterior() -> None:
    """u | rows ~ N(between (between + within / n)^-1 mean, ...): Searle et al., 1992, "Variance components", 7.4."""
    offsets, within, between = drawn()
    residuals = np.random.default_rng(1).normal(size=(5, 6))
    found = offsets.estimate(torch.from_numpy(residuals.sum(axis=0)), torch.tensor(5))
    expected = between @ np.linalg.solve(between + within / 5, residuals.mean(axis=0))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


def test_one_direction_by_hand() -> None:
    """Speakers vary as much as a quarter of what their rows do: of four rows half of the mean is believed."""
    one = torch.ones(1, 1)
    offsets = Offsets(torch.zeros(2, 1), one, one, torch.tensor([0.25]))
    assert offsets.estimate(torch.tensor([8.0]), torch.tensor(4)).tolist() == [1.0]  # mean 2, times 4/8


def test_of_no_rows_the_offset_is_zero() -> None:
    offsets, _, _ = drawn()
    assert not offsets.estimate(torch.zeros(2, 6, dtype=torch.float64), torch.tensor([0, 0])).any()


def test_each_of_several_speakers_by_itself() -> None:
    offsets, _, _ = drawn()
    residuals, counts = torch.randn(3, 6, dtype=torch.float64), torch.tensor([1, 7, 0])
    together = offsets.estimate(residuals, counts)
    for own, residual, count in zip(together, residuals, counts, strict=True):
        torch.testing.assert_close(own, offsets.estimate(residual, count))


def test_what_is_expected_of_an_answer() -> None:
    means = torch.tensor([[1.0, 0.0], [0.0, 2.0], [10.0, 10.0]])  # two classes, and what all rows have
    offsets = Offsets(means, torch.eye(2), torch.eye(2), torch.ones(2))
    assert offsets.expected(torch.tensor([[1.0, 0.0], [0.5, 0.5]])).tolist() == [[11.0, 10.0], [10.5, 11.0]]
