"""Self-attention and pooling against loops in float64 numpy; masks by hypothesis."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tricue.model.attention import AttentivePooling, SelfAttention

masks_2x5 = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=2)


def affine(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
    return x @ layer.weight.detach().numpy().T + bias


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def naive_self_attention(layer: SelfAttention, x: np.ndarray, mask: np.ndarray, heads: int) -> np.ndarray:
    """softmax(q k^T / sqrt(width / heads)) v per head over the valid keys; zeros where a query is masked."""
    result = np.zeros_like(x)
    size = x.shape[-1] // heads
    for b in range(len(x)):
        valid = np.flatnonzero(mask[b])
        q, k, v = (affine(part, x[b]) for part in (layer.query, layer.key, layer.value))
        for t in valid:
            joined = []
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                weights = softmax(np.array([q[t, own] @ k[s, own] for s in valid]) / np.sqrt(size))
                joined.append(sum(w * v[s, own] for w, s in zip(weights, valid, strict=True)))
            result[b, t] = affine(layer.out, np.concatenate(joined))
    return result


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=masks_2x5, heads=st.sampled_from([1, 2, 4]))
def test_self_attention_is_the_formula_at_valid_steps(rows: list[list[bool]], heads: int) -> None:
    torch.manual_seed(1)
    layer = SelfAttention(8, heads).double().eval()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    mask = torch.tensor(rows)
    got = layer(x, mask).detach()
    want = torch.from_numpy(naive_self_attention(layer, x.numpy(), mask.numpy(), heads))
    assert got.isfinite().all()
    torch.testing.assert_close(got[mask], want[mask], atol=1e-6, rtol=1e-6)


def the_score(pooling: AttentivePooling) -> nn.Linear:
    scores = [part for part in pooling.modules() if isinstance(part, nn.Linear) and part.out_features == 1]
    assert len(scores) == 1
    return scores[0]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=masks_2x5)
def test_pooling_is_mean_and_deviation_under_a_masked_softmax_of_the_score(rows: list[list[bool]]) -> None:
    torch.manual_seed(3)
    pooling = AttentivePooling(6).double().eval()
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    mask = torch.tensor(rows)
    got = pooling(x, mask).detach().numpy()
    assert got.shape == (2, 12) and np.isfinite(got).all()
    scores = affine(the_score(pooling), x.numpy())[..., 0]
    for b in range(2):
        valid = np.flatnonzero(rows[b])
        if len(valid):
            weights, steps = softmax(scores[b, valid]), x.numpy()[b, valid]
            mean = weights @ steps
            deviation = np.sqrt(weights @ (steps - mean) ** 2)
            np.testing.assert_allclose(got[b], np.concatenate([mean, deviation]), atol=4e-3)  # 1e-5 under the root


@pytest.mark.parametrize("block", [SelfAttention(8, 2), AttentivePooling(8)])
def test_a_row_without_any_valid_step_has_finite_gradients(block: nn.Module) -> None:
    x = torch.randn(2, 4, 8, requires_grad=True)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    block(x, mask).square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    grads = [p.grad for p in block.parameters() if p.grad is not None]
    assert grads and all(grad.isfinite().all() for grad in grads)
