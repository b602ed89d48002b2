"""Intention predictor: which emotion does the counterfactual change point to (seed.md, section 4)."""

from __future__ import annotations

import torch
from torch import nn

from tricue.model.fusion import mlp_block


class IntentionPredictor(nn.Module):
    """MLP of [H_cf - H_org; H_org]: 2d - d - d/2 - C; (B, d) and (B, d) -> logits (B, C)."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *mlp_block(2 * width, width, dropout),
            *mlp_block(width, width // 2, dropout),
            nn.Linear(width // 2, classes),
        )

    def forward(self, h_org: torch.Tensor, h_cf: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([h_cf - h_org, h_org], dim=-1))
