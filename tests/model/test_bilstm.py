"""The BiLSTM against torch's packed sequences, the progressive layers against the seed's gate equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tricue.model.bilstm import BiLSTM, ProgressiveBiLSTM

lengths_up_to_6 = st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any)


def mask_of(lengths: list[int]) -> torch.Tensor:
    return torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]


def packed_reference(block: BiLSTM, x: torch.Tensor, lengths: list[int], hidden: int) -> torch.Tensor:
    """nn.LSTM(bidirectional=True) with the block's weights over packed sequences; zeros elsewhere."""
    reference = nn.LSTM(x.shape[-1], hidden, batch_first=True, bidirectional=True).to(x.dtype)
    weights = {name: value for name, value in block.ahead.state_dict().items()}
    weights |= {f"{name}_reverse": value for name, value in block.back.state_dict().items()}
    reference.load_state_dict(weights)
    rows = [b for b, length in enumerate(lengths) if length]  # packing refuses length 0
    packed = pack_padded_sequence(x[rows], torch.tensor([lengths[b] for b in rows]), True, False)
    result = torch.zeros(*x.shape[:2], 2 * hidden, dtype=x.dtype)
    result[rows] = pad_packed_sequence(reference(packed)[0], True, total_length=x.shape[1])[0]
    return result


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lengths=lengths_up_to_6, extra=st.integers(0, 2))
def test_bilstm_equals_packed_sequences(lengths: list[int], extra: int) -> None:
    torch.manual_seed(0)
    block = BiLSTM(5, 4).double().eval()
    mask = nn.functional.pad(mask_of(lengths), (0, extra))
    x = torch.randn(*mask.shape, 5, dtype=torch.float64)
    want = packed_reference(block, x, lengths, 4)
    torch.testing.assert_close(block(x, mask), want, atol=1e-9, rtol=1e-9)


def test_bilstm_against_the_cell_equations_by_hand() -> None:
    """Two steps of the standard LSTM cell, gates in torch's order i, f, g, o, one direction each way."""
    torch.manual_seed(1)
    block = BiLSTM(3, 2).double().eval()
    x = torch.randn(1, 2, 3, dtype=torch.float64)

    def run(lstm: nn.LSTM, steps: list[int]) -> dict[int, np.ndarray]:
        w_x, w_h, b_x, b_h = (p.detach().numpy() for p in lstm.parameters())
        h, c, result = np.zeros(2), np.zeros(2), {}
        for t in steps:
            i, f, g, o = np.split(w_x @ x[0, t].numpy() + b_x + w_h @ h + b_h, 4)
            i, f, o = (1.0 / (1.0 + np.exp(-part)) for part in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            result[t] = h
        return result

    ahead, back = run(block.ahead, [0, 1]), run(block.back, [1, 0])
    want = np.stack([np.concatenate([ahead[t], back[t]]) for t in (0, 1)])
    got = block(x, torch.ones(1, 2, dtype=torch.bool)).detach().numpy()
    np.testing.assert_allclose(got[0], want, atol=1e-12)


def progressive(in_width: int = 8, hidden: int = 4, layers: int = 3, gated: bool = True) -> ProgressiveBiLSTM:
    torch.manual_seed(2)
    return ProgressiveBiLSTM(in_width, hidden, layers, 2, 0.3, gated).double().eval()


@pytest.mark.parametrize("in_width", [5, 8])
def test_progressive_layers_follow_the_gate_equations(in_width: int) -> None:
    """G = sigmoid(Linear([T; F])), F' = G * T + (1 - G) * F, T = transform(attention(lstm(F))).

    LSTM, attention and transformation have golden tests of their own, so they stand here as they are.
    """
    block = progressive(in_width)
    lengths = [4, 1, 3]
    mask = mask_of(lengths)
    x = torch.randn(*mask.shape, in_width, dtype=torch.float64)
    layers: Any = block.layers
    outputs = block(x, mask)
    assert [tuple(output.shape) for output in outputs] == [(3, 4, 8)] * 3

    features = block.project(x).detach()
    for layer, output in zip(layers, outputs, strict=True):
        with torch.no_grad():
            t = layer.transform(layer.attention(layer.lstm(features, mask), mask))
        joined = np.concatenate([t.numpy(), features.numpy()], axis=-1)
        z = joined @ layer.gate.weight.detach().numpy().T + layer.gate.bias.detach().numpy()
        gate = 1.0 / (1.0 + np.exp(-z))
        features = torch.from_numpy(gate * t.numpy() + (1.0 - gate) * features.numpy())
        torch.testing.assert_close(output.detach()[mask], features[mask], atol=1e-6, rtol=1e-6)


def test_input_is_projected_only_where_widths_differ() -> None:
    assert isinstance(progressive(8).project, nn.Identity)
    assert isinstance(progressive(5).project, nn.Linear)


@pytest.mark.parametrize("bias", [-60.0, 0.0, 60.0])
def test_the_gate_chooses_between_transformation_and_input(bias: float) -> None:
    """A shut gate passes the input through every layer, an open one gives T, a level one the mean."""
    block = progressive(8)
    layers: Any = block.layers
    mask = mask_of([4, 2])
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    with torch.no_grad():
        for layer in layers:
            layer.gate.weight.zero_()
            layer.gate.bias.fill_(bias)
        outputs = block(x, mask)
        share = {-60.0: 0.0, 0.0: 0.5, 60.0: 1.0}[bias]
        features = x
        for layer, output in zip(layers, outputs, strict=True):
            t = layer.transform(layer.attention(layer.lstm(features, mask), mask))
            features = share * t + (1 - share) * features
            torch.testing.assert_close(output[mask], features[mask], atol=1e-6, rtol=1e-6)
        if bias < 0:
            torch.testing.assert_close(outputs[-1][mask], x[mask])


def test_the_gate_is_a_vector_of_2h() -> None:
    layers: Any = progressive().layers
    for layer in layers:
        assert tuple(layer.gate.weight.shape) == (8, 16)


def test_without_gates_a_layer_gives_its_transformed_attention_output() -> None:
    block = progressive(5, gated=False)
    layers: Any = block.layers
    mask = mask_of([4, 1, 3])
    x = torch.randn(*mask.shape, 5, dtype=torch.float64)
    features = block.project(x)
    for layer, output in zip(layers, block(x, mask), strict=True):
        features = layer.transform(layer.attention(layer.lstm(features, mask), mask))
        assert torch.equal(output, features)


def test_without_gates_only_the_gates_are_gone_as_if_they_stood_open() -> None:
    """The same weights give what a gated block gives whose gates let nothing of the input through."""
    gated, bare = progressive(5), progressive(5, gated=False)
    layers: Any = gated.layers
    with torch.no_grad():
        for layer in layers:
            layer.gate.weight.zero_()
            layer.gate.bias.fill_(60.0)
    weights = gated.state_dict()
    gates = {f"layers.{i}.gate.{part}" for i in range(3) for part in ("weight", "bias")}
    assert set(weights) - set(bare.state_dict()) == gates
    bare.load_state_dict({name: value for name, value in weights.items() if name not in gates})
    mask = mask_of([4, 2])
    x = torch.randn(2, 4, 5, dtype=torch.float64)
    for one, other in zip(bare(x, mask), gated(x, mask), strict=True):
        torch.testing.assert_close(one[mask], other[mask], atol=1e-9, rtol=1e-9)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(lengths=lengths_up_to_6, junk=st.sampled_from([0.0, 1e3]))
def test_progressive_rows_do_not_see_each_other(lengths: list[int], junk: float) -> None:
    block = progressive(5)
    mask = mask_of(lengths)
    x = torch.randn(*mask.shape, 5, dtype=torch.float64)
    together = block(torch.where(mask[..., None], x, torch.full_like(x, junk)), mask)
    for b, length in enumerate(lengths):
        if length:
            alone = block(x[b : b + 1, :length], torch.ones(1, length, dtype=torch.bool))
            for one, many in zip(alone, together, strict=True):
                torch.testing.assert_close(many[b, :length], one[0], atol=1e-6, rtol=1e-6)
