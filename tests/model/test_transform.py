"""The feature transformation block and the scaling, against their formulas in numpy."""

import numpy as np
import pytest
import torch

from tricue.model.transform import FeatureTransformation, Scaling, SharedDropout


def test_feature_transformation_is_linear_layernorm_relu() -> None:
    torch.manual_seed(0)
    block = FeatureTransformation(5, 4, 0.3).double().eval()
    with torch.no_grad():  # not the neutral 1 and 0, so that a forgotten affine part shows
        block.norm.weight.uniform_(0.5, 2.0)
        block.norm.bias.uniform_(-1.0, 1.0)
    x = torch.randn(2, 3, 5, dtype=torch.float64)

    z = x.numpy() @ block.linear.weight.detach().numpy().T + block.linear.bias.detach().numpy()
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + block.norm.eps)
    z = z * block.norm.weight.detach().numpy() + block.norm.bias.detach().numpy()

    np.testing.assert_allclose(block(x).detach().numpy(), np.maximum(z, 0.0), atol=1e-9)


def test_feature_transformation_drops_out_in_training_only() -> None:
    torch.manual_seed(0)
    block = FeatureTransformation(8, 400, 0.5)
    x = torch.randn(1, 8)
    trained, plain = block.train()(x), block.eval()(x)
    kept = trained != 0
    torch.testing.assert_close(trained[kept], 2.0 * plain[kept])  # inverted dropout scales by 1 / (1 - 0.5)
    share = kept.sum().item() / (plain != 0).sum().item()
    assert 0.35 < share < 0.65


def test_scaling_uses_its_buffers() -> None:
    scaling = Scaling(3)
    x = torch.tensor([[1.0, 2.0, 3.0]])
    torch.testing.assert_close(scaling(x), x)  # neutral until statistics are set
    scaling.mean.copy_(torch.tensor([1.0, 0.0, -1.0]))
    scaling.std.copy_(torch.tensor([2.0, 4.0, 0.5]))
    torch.testing.assert_close(scaling(x), torch.tensor([[0.0, 0.5, 8.0]]))
    assert {"mean", "std"} <= scaling.state_dict().keys()  # they travel with the weights
    assert not list(scaling.parameters())


@pytest.mark.parametrize("axis", [0, 1])
def test_shared_dropout_drops_the_same_along_its_axis_in_training_only(axis: int) -> None:
    torch.manual_seed(0)
    dropout, x = SharedDropout(0.25, axis), torch.rand(3, 5, 400) + 1.0
    y = dropout.train()(x)
    kept = y.narrow(axis, 0, 1) != 0
    torch.testing.assert_close(y, kept * x / 0.75)  # inverted dropout scales by 1 / (1 - 0.25)
    assert abs(kept.float().mean().item() - 0.75) < 0.05
    other = 1 - axis
    assert not torch.equal(kept.select(other, 0), kept.select(other, 1))  # along the others each has its own draw
    assert torch.equal(dropout.eval()(x), x)
    state = torch.get_rng_state()
    assert torch.equal(SharedDropout(0.0, axis).train()(x), x)
    assert torch.equal(torch.get_rng_state(), state)  # unused it draws nothing
