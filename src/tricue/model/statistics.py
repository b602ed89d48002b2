"""The raw statistics of a modality: what a logistic regression on pooled features reads, inside the network."""

import torch
from torch import nn

from tricue.model.attention import attendable, mean_and_deviation
from tricue.model.transform import Scaling

FARTHEST = 5.0  # training deviations: a clip of one step has no deviation, which is far from every training row


class Statistics(nn.Module):
    """Mean and deviation over time of the scaled features, themselves scaled: (B, T, dim) -> (B, width).

    The features are those of every layer that was read. `scaling` holds the statistics' own mean and deviation over
    the training rows.
    """

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.scaling = Scaling(2 * dim)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * dim, width)

    def summary(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, 2 dim), scaled."""
        return self.scaling(summarise(x, mask)).clamp(-FARTHEST, FARTHEST)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, offset: torch.Tensor | None = None) -> torch.Tensor:
        """offset: (B, 2 dim), taken off the summary."""
        summary = self.summary(x, mask)
        return self.linear(self.dropout(summary if offset is None else summary - offset))


def summarise(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, T, D), mask (B, T) -> [mean; deviation] over the valid steps, (B, 2 D); finite in rows without any."""
    valid = attendable(mask).to(x.dtype)
    return mean_and_deviation(x, valid / valid.sum(dim=1, keepdim=True))
