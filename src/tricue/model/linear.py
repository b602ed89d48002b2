"""A linear path from the features to H, beside everything that is deep."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from tricue.types import Cue


class LinearPath(nn.Module):
    """Sum over the cues at hand of W_m mean_t x_m: scaled features (B, T_m, D_m) -> (B, width).

    An absent cue adds nothing. W_m is zero at the start (`initialise`), and H then what it is without this path.
    """

    def __init__(self, widths: Mapping[Cue, int], width: int) -> None:
        super().__init__()
        self.maps = nn.ModuleDict(
            {str(cue): nn.Linear(wide, width, bias=False) for cue, wide in widths.items()}
        )

    def forward(
        self, features: Mapping[Cue, torch.Tensor], masks: Mapping[Cue, torch.Tensor]
    ) -> torch.Tensor:
        """features: zeros at masked steps; at least one cue."""
        mapped = []
        for cue, x in features.items():
            steps = masks[cue].sum(dim=1, keepdim=True).clamp_min(1)
            mapped.append(self.maps[cue](x.sum(dim=1) / steps))
        return torch.stack(mapped).sum(dim=0)
