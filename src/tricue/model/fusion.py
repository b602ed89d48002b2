"""All-pairs cross-modal attention and the fusion of the three cues (design.md, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tricue.model.attention import attend
from tricue.types import Cue


class CrossModalAttention(nn.Module):
    """Each cue looks at each other one; [own; from the second; from the third] is standardised.

    W_Q, W_K, W_V belong to the modality and are shared by its pairs, as the superscripts in seed.md say;
    with one head the scale is sqrt(width), no biases, no output projection: the seed's formula exactly.
    The slot of an absent partner is a learned vector per directed pair. attends: False leaves each cue its own
    features alone, standardised.
    """

    def __init__(
        self, cues: Sequence[Cue], in_width: int, width: int, heads: int = 1, attends: bool = True
    ) -> None:
        super().__init__()
        self.cues = list(cues)
        self.heads = heads
        self.attends = attends
        attending = self.cues if attends else []
        self.project = nn.ModuleDict({cue: nn.Linear(in_width, width) for cue in cues})
        self.query = nn.ModuleDict({cue: nn.Linear(width, width, bias=False) for cue in attending})
        self.key = nn.ModuleDict({cue: nn.Linear(width, width, bias=False) for cue in attending})
        self.value = nn.ModuleDict({cue: nn.Linear(width, width, bias=False) for cue in attending})
        self.absent = nn.ParameterDict(
            {
                f"{cue}_from_{other}": nn.Parameter(torch.zeros(width))
                for cue in cues
                for other in self.others(cue)
            }
        )
        slots = len(cues) if attends else 1
        self.standardise = nn.ModuleDict({cue: nn.Linear(slots * width, width) for cue in cues})
        self.norm = nn.ModuleDict({cue: nn.LayerNorm(width) for cue in cues})

    def others(self, cue: Cue) -> list[Cue]:
        return [other for other in self.cues if other != cue] if self.attends else []

    def attend(
        self, cue: Cue, other: Cue, projected: Mapping[Cue, torch.Tensor], masks: Mapping[Cue, torch.Tensor]
    ) -> torch.Tensor:
        """What `cue` takes from `other`, (B, T_cue, width): seed.md, "Cross-Attention Mechanism"."""
        query = self.query[cue](projected[cue])
        key, value = self.key[other](projected[other]), self.value[other](projected[other])
        return attend(query, key, value, masks[other], self.heads)

    def forward(
        self, features: Mapping[Cue, torch.Tensor], masks: Mapping[Cue, torch.Tensor]
    ) -> dict[Cue, torch.Tensor]:
        """features (B, T_m, in_width) of the cues at hand -> standardised (B, T_m, width) each."""
        projected = {cue: self.project[cue](x) for cue, x in features.items()}
        enhanced: dict[Cue, torch.Tensor] = {}
        for cue, own in projected.items():
            slots = [own]
            for other in self.others(cue):
                slot = self.absent[f"{cue}_from_{other}"].expand_as(own)
                if other in projected:
                    present = masks[other].any(dim=1)[:, None, None]
                    slot = torch.where(present, self.attend(cue, other, projected, masks), slot)
                slots.append(slot)
            enhanced[cue] = self.norm[cue](self.standardise[cue](torch.cat(slots, dim=-1)))
        return enhanced


class FusionMLP(nn.Module):
    """The pooled vectors side by side (B, in_width) -> 4d, 2d, d: H (B, d)."""

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *mlp_block(in_width, 4 * width, dropout),
            *mlp_block(4 * width, 2 * width, dropout),
            nn.Linear(2 * width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
        )

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        return self.layers(pooled)


def mlp_block(in_width: int, out_width: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(in_width, out_width), nn.LayerNorm(out_width), nn.ReLU(), nn.Dropout(dropout)]
