"""A learned mix of an encoder's layers (`features.<modality>.layer: mix`)."""

import torch
from torch import nn


class LayerMix(nn.Module):
    """Softmax-weighted sum of `layers` layers that stand side by side; what stands behind them passes by.

    x (..., layers * width + rest) -> (..., width + rest). Starts as their mean. Peters et al., 2018, "Deep
    contextualized word representations", equation 1, without its factor gamma: the FTB behind it scales.
    """

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.layers, self.width = layers, width
        self.weights = nn.Parameter(torch.zeros(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stacked = x[..., : self.layers * self.width].unflatten(-1, (self.layers, self.width))
        mixed = torch.einsum("...ld,l->...d", stacked, self.weights.softmax(dim=0))
        return torch.cat([mixed, x[..., self.layers * self.width :]], dim=-1)
