"""All-pairs cross-modal attention and the fusion of the three modalities."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tricue.model.attention import attend
from tricue.model.transform import SharedDropout
from tricue.types import ModalityName


class CrossModalAttention(nn.Module):
    """Each modality looks at each other one; [own; from the second; from the third] adds to its own, standardised.

    W_Q, W_K, W_V belong to the modality and are shared by its pairs, as the superscripts of the seed say;
    one head, scaled by sqrt(width), no biases, no output projection: the seed's formula exactly.
    The slot of an absent partner is a learned vector per directed pair. attends: False leaves each modality its own
    features alone, standardised.
    """

    def __init__(self, modalities: Sequence[ModalityName], in_width: int, width: int, attends: bool = True) -> None:
        super().__init__()
        self.modalities = list(modalities)
        self.attends = attends
        attending = self.modalities if attends else []
        self.project = nn.ModuleDict({modality: nn.Linear(in_width, width) for modality in modalities})
        self.query = nn.ModuleDict({modality: nn.Linear(width, width, bias=False) for modality in attending})
        self.key = nn.ModuleDict({modality: nn.Linear(width, width, bias=False) for modality in attending})
        self.value = nn.ModuleDict({modality: nn.Linear(width, width, bias=False) for modality in attending})
        self.absent = nn.ParameterDict(
            {
                f"{modality}_from_{other}": nn.Parameter(torch.zeros(width))
                for modality in modalities
                for other in self.others(modality)
            }
        )
        slots = len(modalities) if attends else 1
        self.standardise = nn.ModuleDict({modality: nn.Linear(slots * width, width) for modality in modalities})
        self.norm = nn.ModuleDict({modality: nn.LayerNorm(width) for modality in modalities})

    def others(self, modality: ModalityName) -> list[ModalityName]:
        return [other for other in self.modalities if other != modality] if self.attends else []

    def attend(
        self,
        modality: ModalityName,
        other: ModalityName,
        projected: Mapping[ModalityName, torch.Tensor],
        masks: Mapping[ModalityName, torch.Tensor],
    ) -> torch.Tensor:
        """What `modality` takes from `other`, (B, T_modality, width), as the seed has it."""
        query = self.query[modality](projected[modality])
        key, value = self.key[other](projected[other]), self.value[other](projected[other])
        return attend(query, key, value, masks[other], heads=1)

    def forward(
        self, features: Mapping[ModalityName, torch.Tensor], masks: Mapping[ModalityName, torch.Tensor]
    ) -> dict[ModalityName, torch.Tensor]:
        """features (B, T_m, in_width) of the modalities at hand -> standardised (B, T_m, width) each."""
        projected = {modality: self.project[modality](x) for modality, x in features.items()}
        enhanced: dict[ModalityName, torch.Tensor] = {}
        for modality, own in projected.items():
            slots = [own]
            for other in self.others(modality):
                slot = self.absent[f"{modality}_from_{other}"].expand_as(own)
                if other in projected:
                    present = masks[other].any(dim=1)[:, None, None]
                    slot = torch.where(present, self.attend(modality, other, projected, masks), slot)
                slots.append(slot)
            enhanced[modality] = self.norm[modality](own + self.standardise[modality](torch.cat(slots, dim=-1)))
        return enhanced


class FusionMLP(nn.Module):
    """The modalities' vectors side by side (V, B, in_width) -> 2d, d: H of each of the V views, (V, B, d).

    Views are the features as they are and their counterfactual; dropout is the same in both.
    """

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            SharedDropout(dropout, axis=0),
            nn.Linear(in_width, 2 * width),
            nn.LayerNorm(2 * width),
            nn.ReLU(),
            SharedDropout(dropout, axis=0),
            nn.Linear(2 * width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
        )

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return self.layers(views)
