"""The intention predictor: an MLP of [H_cf - H_org; H_org], 2d - d - d/2 - C."""

import torch
from torch import nn

from tricue.model.intention import IntentionPredictor


def linears(block: nn.Module) -> list[nn.Linear]:
    return [part for part in block.modules() if isinstance(part, nn.Linear)]


def test_layers_are_512_256_128_classes() -> None:
    shapes = [(layer.in_features, layer.out_features) for layer in linears(IntentionPredictor(256, 7, 0.2))]
    assert shapes == [(512, 256), (256, 128), (128, 7)]


def test_it_is_an_mlp_with_layer_norm_and_relu() -> None:
    torch.manual_seed(1)
    block = IntentionPredictor(16, 7, 0.2).double().eval()
    h_org, h_cf = torch.randn(2, 5, 16, dtype=torch.float64)
    norms = [part for part in block.modules() if isinstance(part, nn.LayerNorm)]
    first, second, last = linears(block)
    x = torch.cat([h_cf - h_org, h_org], dim=1)
    for layer, norm in zip((first, second), norms, strict=True):
        x = torch.relu(norm(layer(x)))
    torch.testing.assert_close(block(h_org, h_cf), last(x))
