"""Masked attention within one modality: multi-head self-attention and attention pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def attendable(mask: torch.Tensor) -> torch.Tensor:
    """The mask (B, T), with the first step opened in rows that have none: attention over no key is NaN.

    What such a row computes is finite and is replaced by whoever knows that the cue is absent.
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


class AttentionPooling(nn.Module):
    """A learned score per step, softmax over the valid steps, weighted sum: (B, T, width) -> (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = self.score(x).squeeze(-1).masked_fill(~attendable(mask), float("-inf"))
        return torch.einsum("bt,btd->bd", scores.softmax(dim=1), x)
