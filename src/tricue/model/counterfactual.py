"""Counterfactual features: the same clip, minimally changed."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tricue.model.transform import FeatureTransformation
from tricue.types import ModalityName


class CounterfactualFeatures(nn.Module):
    """cf_m = a_m T_m(v_m) + (1 - a_m) v_m on all that enters the fusion of each modality, v_m (B, width).

    a_m is the sigmoid of a learned scalar and starts at `start`. T_m has no dropout: what changes is the features.
    """

    def __init__(self, modalities: Sequence[ModalityName], width: int, start: float) -> None:
        super().__init__()
        logit = math.log(start / (1 - start))
        self.logit = nn.ParameterDict({modality: nn.Parameter(torch.tensor(logit)) for modality in modalities})
        self.transform = nn.ModuleDict({modality: FeatureTransformation(width, width, 0.0) for modality in modalities})

    def strength(self, modality: ModalityName) -> torch.Tensor:
        """a_m, a scalar between 0 and 1."""
        return torch.sigmoid(self.logit[modality])

    def forward(self, features: Mapping[ModalityName, torch.Tensor]) -> dict[ModalityName, torch.Tensor]:
        changed = {}
        for modality, x in features.items():
            a = self.strength(modality)
            changed[modality] = a * self.transform[modality](x) + (1 - a) * x
        return changed
