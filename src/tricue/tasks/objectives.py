"""What training asks of the network's outputs, per kind of target.

Legend: B rows, C classes, K targets.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from tricue.config.training_settings import TrainingConfig
from tricue.registry import LOSSES
from tricue.tasks.task import Objective
from tricue.tasks.task_losses import (
    class_weights,
    focal_loss,
    intention_loss,
    label_focal_loss,
    label_intention_loss,
    value_intention_loss,
)


def _name(training: TrainingConfig) -> str:
    return "focal" if training.focal_gamma else "cross_entropy"


def _weights(counts: np.ndarray, training: TrainingConfig) -> torch.Tensor:
    return class_weights(torch.from_numpy(counts), training.class_weights)


class ClassObjective(Objective):
    """One class per row, targets (B,); or shares of the classes, (B, C)."""

    measure = "accuracy"
    weights: torch.Tensor

    def __init__(self, counts: np.ndarray, training: TrainingConfig) -> None:
        """counts: (C,) of the training rows."""
        self.training = training
        self.name = _name(training)
        self.weights = _weights(counts, training)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        shares = targets if targets.ndim == 2 else F.one_hot(targets, len(self.weights)).float()
        gamma, smoothing = self.training.focal_gamma, self.training.label_smoothing
        return focal_loss(outputs, shares, self.weights.to(outputs.device), gamma, smoothing)

    def intention(self, outputs_intention: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        sure, smoothing = self.training.intention_confidence, self.training.label_smoothing
        return intention_loss(outputs_intention, outputs, targets, sure, smoothing)

    def same(self, targets: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return _majority(targets)[:, None] == _majority(others)[None, :]

    def differ(self, outputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return outputs.argmax(dim=1) != others.argmax(dim=1)

    def progress(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == _majority(targets)).float().mean()


def _majority(targets: torch.Tensor) -> torch.Tensor:
    """(B,) the class with the largest share, ties on the first."""
    return targets.argmax(dim=1) if targets.ndim == 2 else targets


class LabelObjective(Objective):
    """Several classes per row: targets (B, C), 0 or 1."""

    measure = "accuracy"

    def __init__(self, counts: np.ndarray, training: TrainingConfig, same_jaccard: float) -> None:
        """counts: (C,) of the training rows."""
        self.training = training
        self.name = _name(training)
        self.label_weights = _weights(counts, training)
        self.same_jaccard = same_jaccard

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return label_focal_loss(outputs, targets, self.label_weights.to(outputs.device), self.training.focal_gamma)

    def intention(self, outputs_intention: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        sure, smoothing = self.training.intention_confidence, self.training.label_smoothing
        return label_intention_loss(outputs_intention, outputs, targets, sure, smoothing)

    def same(self, targets: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """A Jaccard index above `same_jaccard`; of two empty sets it is 1."""
        shared = targets @ others.T
        either = targets.sum(dim=1)[:, None] + others.sum(dim=1)[None, :] - shared
        return torch.where(either > 0, shared / either.clamp_min(1.0), 1.0) > self.same_jaccard

    def differ(self, outputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return ((outputs > 0) != (others > 0)).any(dim=1)

    def progress(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((outputs > 0) == (targets > 0.5)).all(dim=1).float().mean()


@dataclass(frozen=True)
class ValueObjective(Objective):
    """Real-valued targets (B, K). The network's outputs are in deviations of the training targets."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    form: str  # a name of LOSSES
    near: float  # in deviations

    measure = "error"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.form

    def _scaled(self, targets: torch.Tensor) -> torch.Tensor:
        return (targets - targets.new_tensor(self.means)) / targets.new_tensor(self.deviations)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return LOSSES[self.form](outputs.float(), self._scaled(targets))

    def intention(self, outputs_intention: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return value_intention_loss(outputs_intention, outputs, self._scaled(targets), self.near)

    def same(self, targets: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """A distance, root mean square over the targets, of at most `near`."""
        apart = self._scaled(targets)[:, None] - self._scaled(others)[None, :]
        return apart.square().mean(dim=-1).sqrt() <= self.near

    def differ(self, outputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return (outputs - others).float().square().mean(dim=1).sqrt() > self.near

    def progress(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.float() - self._scaled(targets)).abs().mean()
