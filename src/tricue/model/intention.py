"""Intention predictor: which emotion does the counterfactual change point to."""

import torch
from torch import nn

from tricue.model.transform import FeatureTransformation


class IntentionPredictor(nn.Module):
    """MLP of [H_cf - H_org; H_org]: 2d - d - d/2 - C; (B, d) and (B, d) -> logits (B, C)."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            FeatureTransformation(2 * width, width, dropout),
            FeatureTransformation(width, width // 2, dropout),
            nn.Linear(width // 2, classes),
        )

    def forward(self, h_org: torch.Tensor, h_cf: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([h_cf - h_org, h_org], dim=-1))
