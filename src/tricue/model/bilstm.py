"""Progressive BiLSTM with adaptive gating."""

import torch
from torch import nn

from tricue.model.attention import SelfAttention
from tricue.model.transform import FeatureTransformation


def reverse_valid(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Reverse the valid steps of each row of (B, T, D), padding stays behind. Its own inverse."""
    steps = torch.arange(x.shape[1], device=x.device).expand_as(mask)
    lengths = mask.sum(dim=1, keepdim=True)
    order = torch.where(mask, lengths - 1 - steps, steps)
    return x.gather(1, order.unsqueeze(-1).expand_as(x))


class BiLSTM(nn.Module):
    """Equals nn.LSTM(bidirectional=True) on packed sequences: (B, T, in_width) -> (B, T, 2 hidden).

    Two LSTMs and a length-aware reversal, because packed sequences do not export to ONNX.
    Masked steps give zeros.
    """

    def __init__(self, in_width: int, hidden: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(in_width, hidden, batch_first=True)
        self.back = nn.LSTM(in_width, hidden, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        ahead, _ = self.ahead(x)
        back, _ = self.back(reverse_valid(x, mask))
        both = torch.cat([ahead, reverse_valid(back, mask)], dim=-1)
        return both.masked_fill(~mask.unsqueeze(-1), 0.0)


class ProgressiveLayer(nn.Module):
    """F_(i) = G * T + (1 - G) * F_(i-1), G = sigmoid(Linear([T; F_(i-1)])), all (B, T, 2h).

    T = FTB(LayerNorm(H_lstm + H_attn)): attention adds to what it reads (Vaswani et al., 2017, section 3.1), for
    untrained it averages over time, which would hide the order of things.
    gated: False makes G one, so that nothing of the input is passed on.
    """

    def __init__(self, hidden: int, heads: int, dropout: float, gated: bool = True) -> None:
        super().__init__()
        self.lstm = BiLSTM(2 * hidden, hidden)
        self.attention = SelfAttention(2 * hidden, heads)
        self.norm = nn.LayerNorm(2 * hidden)
        self.transform = FeatureTransformation(2 * hidden, 2 * hidden, dropout)
        self.gate = nn.Linear(4 * hidden, 2 * hidden) if gated else None

    def forward(self, previous: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.lstm(previous, mask)
        refined = self.transform(self.norm(states + self.attention(states, mask)))
        if self.gate is None:
            return refined
        gate = torch.sigmoid(self.gate(torch.cat([refined, previous], dim=-1)))
        return gate * refined + (1 - gate) * previous


class ProgressiveBiLSTM(nn.Module):
    """(B, T, 2h) -> the output (B, T, 2h) of each layer, the last one being the result; of no layer, what came in."""

    def __init__(self, hidden: int, layers: int, heads: int, dropout: float, gated: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ProgressiveLayer(hidden, heads, dropout, gated) for _ in range(layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], mask))
        return outputs[1:] or outputs
