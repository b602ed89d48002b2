"""The offset of a speaker in what the network reads of a modality, as a random effect (docs/speakers.md).

    x = the mean of rows with this answer + u of the speaker + what is left

u is the same for all rows of a speaker. Where labels are not known, the network's own answers stand in for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from tricue.types import ModalityName

FEWEST = 5  # speakers with two rows and more: of fewer, how they differ cannot be told from how their rows do


@dataclass(frozen=True)
class Offsets:
    """How speakers differ in one modality: W numbers of a row, V values of an answer, R directions.

    In the coordinates `x @ into` the offsets of speakers are independent of one another, and so is what is left.
    """

    means: torch.Tensor  # (V + 1, W): what each value of an answer adds to a row; the last is there in all rows
    into: torch.Tensor  # (W, R)
    out: torch.Tensor  # (R, W), back again
    ratio: torch.Tensor  # (R,) variance between speakers over that within them

    def expected(self, answers: torch.Tensor) -> torch.Tensor:
        """(..., V) -> (..., W): a row of the mean speaker with this answer."""
        return answers @ self.means[:-1] + self.means[-1]

    def estimate(self, residuals: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """u (..., W) of a speaker.

        Args:
            residuals: (..., W) sum over the rows of x - `expected`.
            count: (...) of the rows; of none the offset is zero.
        """
        count = count.unsqueeze(-1).to(residuals.dtype)
        trust = count * self.ratio / (count * self.ratio + 1.0)  # as much as so many rows tell of each direction
        return (residuals / count.clamp_min(1.0)) @ self.into * trust @ self.out

    def to(self, device: torch.device | str) -> "Offsets":
        return Offsets(*(part.to(device) for part in (self.means, self.into, self.out, self.ratio)))


@dataclass(frozen=True)
class Speakers:
    """What a checkpoint knows of how speakers differ."""

    offsets: Mapping[ModalityName, Offsets]
    count: int  # training speakers that they were learned from
