"""Feature transformation block (FTB) and the scaling of features."""

import torch
from torch import nn


class FeatureTransformation(nn.Module):
    """Linear, LayerNorm, ReLU, Dropout: (..., in_width) -> (..., out_width)."""

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


class SharedDropout(nn.Module):
    """Dropout with one draw along `axis`: what is dropped at one place of it is dropped at all.

    Along time no average brings a dropped dimension back (Gal and Ghahramani, 2016, "A Theoretically Grounded
    Application of Dropout in RNNs"); along views, H and H_cf differ by the counterfactual change alone.
    """

    def __init__(self, dropout: float, axis: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.dropout.p):
            return x
        return x * self.dropout(torch.ones_like(x.narrow(self.axis, 0, 1)))
