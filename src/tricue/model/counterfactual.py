"""Counterfactual features: the same clip, minimally changed (design.md, section 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tricue.model.transform import FeatureTransformation
from tricue.types import Cue


class CounterfactualFeatures(nn.Module):
    """cf_m = a_m T_m(F_m) + (1 - a_m) F_m on the standardised features (B, T_m, width) of each cue.

    a_m is the sigmoid of a learned scalar and starts at `start`.
    """

    def __init__(self, cues: Sequence[Cue], width: int, start: float, dropout: float) -> None:
        super().__init__()
        logit = math.log(start / (1 - start))
        self.logit = nn.ParameterDict({cue: nn.Parameter(torch.tensor(logit)) for cue in cues})
        self.transform = nn.ModuleDict({cue: FeatureTransformation(width, width, dropout) for cue in cues})

    def strength(self, cue: Cue) -> torch.Tensor:
        """a_m, a scalar between 0 and 1."""
        return torch.sigmoid(self.logit[cue])

    def forward(self, features: Mapping[Cue, torch.Tensor]) -> dict[Cue, torch.Tensor]:
        changed = {}
        for cue, x in features.items():
            a = self.strength(cue)
            changed[cue] = a * self.transform[cue](x) + (1 - a) * x
        return changed
