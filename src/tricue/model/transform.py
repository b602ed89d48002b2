"""Feature transformation block (FTB) and the scaling of features."""

from __future__ import annotations

import torch
from torch import nn


class FeatureTransformation(nn.Module):
    """Linear, LayerNorm, ReLU, Dropout: (..., in_width) -> (..., out_width) (design.md, section 4)."""

    def __init__(self, in_width: int, out_width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(in_width, out_width)
        self.norm = nn.LayerNorm(out_width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(torch.relu(self.norm(self.linear(x))))


class Scaling(nn.Module):
    """Mean 0 and deviation 1 per feature dimension, by statistics of the training split kept in the checkpoint."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std


class DimensionDropout(nn.Module):
    """Dropout of whole dimensions: (B, T, D), one draw per row and dimension, the same at each of its T steps."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.dropout(torch.ones_like(x[:, :1])) if self.training and self.dropout.p else x
