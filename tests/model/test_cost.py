"""Parameters and FLOPs against counts by hand. One multiply-add = 2 FLOPs."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

from tricue.model.cost import gflops, lstm_flops, parameters
from tricue.types import Batch

B, T, D = 3, 5, 8


def batch() -> Batch:
    return Batch(
        [f"u{i}" for i in range(B)], {"text": torch.randn(B, T, D)}, {"text": torch.ones(B, T, dtype=torch.bool)}
    )


def lstm_by_hand(steps: int, width: int, hidden: int, directions: int = 1) -> int:
    """Gate by gate: input to hidden and hidden to hidden, four gates, each direction."""
    return sum(2 * steps * (width * hidden + hidden * hidden) for _ in range(4 * directions))


class Toy(nn.Module):
    """Containers, an LSTM run padded and packed, attention in three forms, a product of the network's own."""

    def __init__(self) -> None:
        super().__init__()
        self.frontends = nn.ModuleDict({"text": nn.Linear(D, 16)})  # a container is never called itself
        self.lstm = nn.LSTM(16, 8, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)  # has a fused path
        self.unused = nn.Linear(4, 4)
        self.own = nn.Parameter(torch.randn(16, 2))

    def forward(self, batch: Batch) -> torch.Tensor:
        x = self.frontends["text"](batch.values["text"])
        x, _ = self.lstm(x)
        self.lstm(pack_padded_sequence(x, [5, 3, 2], batch_first=True))
        x, _ = self.attention(x, x, x, need_weights=False)
        x = self.encoder(x)
        return scaled_dot_product_attention(x, x, x).mean(dim=1) @ self.own


def test_parameters_per_part() -> None:
    network = Toy()
    network.frontends.requires_grad_(False)
    counts = parameters(network)
    assert counts["frontends"] == {"total": D * 16 + 16, "trainable": 0}
    assert counts["unused"] == {"total": 20, "trainable": 20}
    lstm = 2 * 4 * (16 * 8 + 8 * 8 + 8 + 8)  # weights and two biases, per direction
    assert counts["lstm"] == {"total": lstm, "trainable": lstm}
    assert counts["other"] == {"total": 32, "trainable": 32}
    parts = [part for name, part in counts.items() if name != "total"]
    assert counts["total"] == {key: sum(part[key] for part in parts) for key in ("total", "trainable")}


def test_a_shared_tensor_counts_once_in_the_total() -> None:
    linear = nn.Linear(4, 4)
    counts = parameters(nn.ModuleDict({"first": nn.Sequential(linear), "second": nn.Sequential(linear)}))
    assert counts["first"] == counts["second"] == counts["total"] == {"total": 20, "trainable": 20}


def test_gflops_per_part_by_hand() -> None:
    torch.manual_seed(0)
    cost = {name: round(value * 1e9 * B) for name, value in gflops(Toy(), batch()).items()}
    rows, width = B * T, 16
    attention = 2 * rows * width * 4 * width + 2 * (2 * B * T * T * width)  # four projections; QK' and AV
    assert cost["frontends"] == 2 * rows * D * width
    assert cost["lstm"] == lstm_by_hand(rows, width, 8, directions=2) + lstm_by_hand(10, width, 8, directions=2)
    assert cost["attention"] == attention
    assert cost["encoder"] == attention + 2 * (2 * rows * width * 32)
    assert cost["unused"] == 0
    assert cost["other"] == 2 * (2 * B * T * T * width) + 2 * B * width * 2
    assert cost["total"] == sum(value for name, value in cost.items() if name != "total")


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm_formula_equals_torchs_counter_where_that_sees_the_products(bidirectional: bool) -> None:
    """A packed sequence on a CPU runs as plain products, which the counter counts."""
    lstm = nn.LSTM(D, 6, num_layers=2, batch_first=True, bidirectional=bidirectional)
    directions = 1 + bidirectional
    steps = 10
    by_hand = lstm_by_hand(steps, D, 6, directions) + lstm_by_hand(steps, 6 * directions, 6, directions)
    assert lstm_flops(lstm, steps) == by_hand
    packed = pack_padded_sequence(torch.randn(B, T, D), [5, 3, 2], batch_first=True)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        lstm(packed)
    assert counter.get_total_flops() == by_hand


def test_projected_lstm() -> None:
    lstm = nn.LSTM(D, 6, proj_size=3)
    assert lstm_flops(lstm, 7) == 2 * 7 * (4 * 6 * (D + 3) + 6 * 3)


class Nested(nn.Module):
    """An LSTM inside a part, called twice, once through the part and once past it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Linear(D, D, bias=False), nn.LSTM(D, 4, batch_first=True))

    def forward(self, batch: Batch) -> torch.Tensor:
        output, _ = self.part(batch.values["text"])
        self.part[1](batch.values["text"])
        return output


def test_an_lstm_counts_in_its_part_each_time_it_is_called() -> None:
    cost = gflops(Nested(), batch())
    by_hand = 2 * B * T * D * D + 2 * lstm_by_hand(B * T, D, 4)
    assert cost == {"part": pytest.approx(by_hand / 1e9 / B), "total": pytest.approx(by_hand / 1e9 / B)}


class Failing(Toy):
    def forward(self, batch: Batch) -> torch.Tensor:
        super().forward(batch)
        raise RuntimeError("fails on purpose")


def test_everything_is_put_back_even_when_the_network_fails() -> None:
    network = Failing()
    network.train()
    network.encoder.eval()  # a frozen part in a mode of its own
    fastpath = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match="on purpose"):
        gflops(network, batch())
    assert network.training and network.lstm.training and not network.encoder.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.backends.mha.get_fastpath_enabled() == fastpath
