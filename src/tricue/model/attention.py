"""Masked attention within one modality: multi-head self-attention; mean and deviation over time."""

import torch
import torch.nn.functional as F
from torch import nn


def attendable(mask: torch.Tensor) -> torch.Tensor:
    """The mask (B, T), with the first step opened in rows that have none: attention over no key is NaN.

    What such a row computes is finite and is replaced by whoever knows that the modality is absent.
    """
    first = torch.zeros_like(mask)
    first[:, 0] = True
    return mask | (first & ~mask.any(dim=1, keepdim=True))


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, key_mask: torch.Tensor, heads: int
) -> torch.Tensor:
    """softmax(Q K^T / sqrt(width / heads)) V per head; query (B, T_q, width), key and value (B, T_k, width)."""

    def split(x: torch.Tensor) -> torch.Tensor:  # (B, T, width) -> (B, heads, T, width / heads)
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    mask = attendable(key_mask)[:, None, None, :]  # (B, 1, 1, T_k)
    mixed = F.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Multi-head self-attention, (B, T, width) -> (B, T, width), over valid steps only."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.out(attend(self.query(x), self.key(x), self.value(x), mask, self.heads))


class AttentivePooling(nn.Module):
    """Mean and deviation over the valid steps, weighted by a learned score: (B, T, width) -> (B, 2 width).

    Okabe et al., 2018, "Attentive statistics pooling for deep speaker embedding", equations 3 to 6.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = self.score(x).squeeze(-1).masked_fill(~attendable(mask), float("-inf"))
        return mean_and_deviation(x, scores.softmax(dim=1))


_LEAST_VARIANCE = 1e-5  # keeps the root's gradient finite where a row has one step


def mean_and_deviation(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """x (B, T, D), weights (B, T) that add up to 1 -> [mean; deviation] over time, (B, 2 D)."""
    mean = torch.einsum("bt,btd->bd", weights, x)
    variance = torch.einsum("bt,btd->bd", weights, (x - mean.unsqueeze(1)) ** 2)
    return torch.cat([mean, (variance + _LEAST_VARIANCE).sqrt()], dim=-1)
