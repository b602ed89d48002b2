"""A learned mix of layers, against its formula."""

import pytest
import torch

from tricue.model.layer_mix import LayerMix


def test_by_hand() -> None:
    mix = LayerMix(2, 2)
    with torch.no_grad():
        mix.weights.copy_(torch.log(torch.tensor([1.0, 3.0])))  # softmax: a quarter, three quarters
    x = torch.tensor([[[1.0, 2.0, 5.0, 10.0, 7.0]]])  # two layers of two, and one beside
    torch.testing.assert_close(mix(x), torch.tensor([[[4.0, 8.0, 7.0]]]))


@pytest.mark.parametrize("rest", [0, 3])
def test_it_starts_as_the_mean_and_lets_the_rest_pass(rest: int) -> None:
    x = torch.randn(4, 5, 3 * 6 + rest)
    mixed = LayerMix(3, 6)(x)
    assert mixed.shape == (4, 5, 6 + rest)
    torch.testing.assert_close(mixed[..., :6], (x[..., :6] + x[..., 6:12] + x[..., 12:18]) / 3)
    assert torch.equal(mixed[..., 6:], x[..., 18:])
