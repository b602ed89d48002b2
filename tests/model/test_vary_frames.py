"""Pictures varied in training."""

import pytest
import torch

from tricue.model.vary_frames import vary

COUNT, SIDE = 400, 24


@pytest.fixture
def gradient() -> torch.Tensor:
    """Dark at the left, bright at the right, the same in every row."""
    return torch.linspace(-1, 1, SIDE).expand(COUNT, 3, SIDE, SIDE).clone()


def test_each_picture_in_its_own_way_and_again_the_same(gradient: torch.Tensor) -> None:
    torch.manual_seed(0)
    first = vary(gradient)
    torch.manual_seed(0)
    assert torch.equal(vary(gradient), first)
    assert first.shape == gradient.shape and bool(first.isfinite().all())
    assert len({round(float(own.sum()), 3) for own in first}) > 0.95 * COUNT


def test_half_are_mirrored(gradient: torch.Tensor) -> None:
    torch.manual_seed(0)
    found = vary(gradient)
    brighter = found[..., -6:].mean(dim=(1, 2, 3)) > found[..., :6].mean(dim=(1, 2, 3))
    assert float(brighter.float().mean()) == pytest.approx(0.5, abs=0.08)


def test_a_square_of_every_other_picture_is_covered() -> None:
    torch.manual_seed(0)
    found = vary(torch.full((COUNT, 3, SIDE, SIDE), 5.0))  # far from 0 whatever the brightness
    covered = (found == 0).all(dim=1).float().sum(dim=(1, 2))
    assert set(covered.tolist()) == {0.0, 36.0}  # a quarter of the side, squared
    assert float((covered > 0).float().mean()) == pytest.approx(0.5, abs=0.08)


def test_nothing_is_moved_further_than_it_says() -> None:
    """A dot in the middle stays within the shift, whatever else is done."""
    torch.manual_seed(0)
    pictures = torch.zeros(COUNT, 3, 65, 65)
    pictures[:, :, 32, 32] = 1.0
    found = vary(pictures)
    rows, columns = torch.nonzero(found[:, 0] - found[:, 0].amin(dim=(1, 2), keepdim=True) > 0.3, as_tuple=True)[1:]
    assert int((rows - 32).abs().max()) <= 12 and int((columns - 32).abs().max()) <= 12  # 65 / 8, resized and turned
