"""The BiLSTM against torch's packed sequences, the progressive layers against the seed's gate equations."""

from typing import Any

import numpy as np
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


def progressive(hidden: int = 4, layers: int = 3, gated: bool = True) -> ProgressiveBiLSTM:
    torch.manual_seed(2)
    return ProgressiveBiLSTM(hidden, layers, 2, 0.3, gated).double().eval()


def test_progressive_layers_follow_the_gate_equations() -> None:
    """G = sigmoid(Linear([T; F])), F' = G * T + (1 - G) * F, T = transform(norm(H + attention(H))), H = lstm(F).

    LSTM, attention and transformation have golden tests of their own, so they stand here as they are.
    """
    block = progressive()
    lengths = [4, 1, 3]
    mask = mask_of(lengths)
    x = torch.randn(*mask.shape, 8, dtype=torch.float64)
    layers: Any = block.layers
    outputs = block(x, mask)
    assert [tuple(output.shape) for output in outputs] == [(3, 4, 8)] * 3

    features = x
    for layer, output in zip(layers, outputs, strict=True):
        with torch.no_grad():
            states = layer.lstm(features, mask)
            t = layer.transform(layer.norm(states + layer.attention(states, mask)))
        joined = np.concatenate([t.numpy(), features.numpy()], axis=-1)
        z = joined @ layer.gate.weight.detach().numpy().T + layer.gate.bias.detach().numpy()
        gate = 1.0 / (1.0 + np.exp(-z))
        features = torch.from_numpy(gate * t.numpy() + (1.0 - gate) * features.numpy())
        torch.testing.assert_close(output.detach()[mask], features[mask], atol=1e-6, rtol=1e-6)


def test_without_layers_the_input_is_the_result() -> None:
    x = torch.randn(2, 4, 8)
    assert all(torch.equal(output, x) for output in ProgressiveBiLSTM(4, 0, 2, 0.0)(x, mask_of([4, 2])))


def test_the_gate_is_a_vector_of_2h() -> None:
    layers: Any = progressive().layers
    for layer in layers:
        assert tuple(layer.gate.weight.shape) == (8, 16)


def test_without_gates_only_the_gates_are_gone_as_if_they_stood_open() -> None:
    """The same weights give what a gated block gives whose gates let nothing of the input through."""
    gated, bare = progressive(), progressive(gated=False)
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
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    for one, other in zip(bare(x, mask), gated(x, mask), strict=True):
        torch.testing.assert_close(one[mask], other[mask], atol=1e-9, rtol=1e-9)
