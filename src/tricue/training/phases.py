"""What each phase adds: its loss terms with their weights, and its learning-rate schedule (design.md, section 5)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from tricue.config import PHASE_SHARES, TrainingConfig
from tricue.model.network import Network
from tricue.training.losses import (
    AlignmentQueue,
    alignment_loss,
    change_penalty,
    focal_loss,
    intention_loss,
)
from tricue.types import Batch, Output

Phase = Literal[1, 2, 3]
PHASES: tuple[Phase, ...] = (1, 2, 3)


def phases_of(training: TrainingConfig) -> list[Phase]:
    """The phases that have an epoch, in order."""
    return [phase for phase in PHASES if training.epochs[phase - 1] > 0]


def loss_weights(phase: Phase, epoch: int, training: TrainingConfig) -> dict[str, float]:
    """Weight of each term beside the focal loss in `epoch` (from 0) of `phase`.

    lambda(e) = min(cap, step (e + 1)); in a phase shorter than the seed's the ramp shrinks in proportion.
    """
    shrink = max(1.0, PHASE_SHARES[phase - 1] / training.epochs[phase - 1])
    ramp = (epoch + 1) * shrink
    alignment = min(training.alignment_weight, training.alignment_step * ramp) if phase == 2 else 0.0
    intention = min(training.intention_weight, training.intention_step * ramp) if phase == 3 else 0.0
    return {
        "alignment": training.alignment_weight if phase == 3 else alignment,
        "intention": intention,
        "minimal_change": training.minimal_change if phase > 1 else 0.0,
    }


def ramp_epochs(phase: Phase, training: TrainingConfig) -> int:
    """Epochs until the phase's weight has reached its cap; early stopping waits for it."""
    epochs = training.epochs[phase - 1]
    caps = loss_weights(phase, 10**9, training)
    return next((e + 1 for e in range(epochs) if loss_weights(phase, e, training) == caps), epochs)


def loss_terms(
    output: Output,
    batch: Batch,
    weights: dict[str, float],
    training: TrainingConfig,
    focal_weights: torch.Tensor,
    queue: AlignmentQueue | None,
) -> dict[str, torch.Tensor]:
    """The terms that the phase has, unweighted by name; `focal` always. A new loss is one line here."""
    assert batch.labels is not None
    labels = batch.labels
    terms = {"focal": focal_loss(output.logits, labels, focal_weights, training.focal_gamma)}
    if output.h_cf is not None and weights["alignment"]:
        terms["alignment"] = alignment_loss(
            output.h_org,
            output.h_cf,
            labels,
            training.alignment,
            training.temperature,
            training.margin,
            queue,
        )
    if output.h_cf is not None and weights["minimal_change"]:
        terms["minimal_change"] = change_penalty(output.h_org, output.h_cf)
    if output.logits_intention is not None and weights["intention"]:
        terms["intention"] = intention_loss(
            output.logits_intention,
            output.logits,
            labels,
            training.intention_confidence,
            training.label_smoothing,
        )
    return terms


def parameter_groups(network: Network, phase: Phase, training: TrainingConfig) -> list[dict]:
    """AdamW groups of what the phase trains: the live encoder at its own rate, the rest; decay on matrices only.

    The counterfactual part joins in phase 2, the intention predictor in phase 3.
    """
    later = {1: ("counterfactual.", "intention."), 2: ("intention.",), 3: ()}[phase]
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and not name.startswith(later):
            key = (name.startswith("live_text."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": training.encoder_rate if encoder else training.rate,
            "weight_decay": training.weight_decay if decays else 0.0,
        }
        for (encoder, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


class Schedule:
    """The rate over a phase: warm-up then plateau; cosine with restarts; one-cycle. Never under `least_rate`.

    `step()` after each optimizer step, `epoch_end(score)` after each epoch with what val says (higher is better).
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, phase: Phase, training: TrainingConfig, steps_per_epoch: int
    ) -> None:
        self.optimizer = optimizer
        self.least_rate = training.least_rate
        self.plateau: ReduceLROnPlateau | None = None
        self.by_step: LRScheduler
        epochs = training.epochs[phase - 1]
        total = epochs * steps_per_epoch
        if phase == 1:
            warm = round(min(training.warmup_epochs, epochs / 2) * steps_per_epoch)
            self.warm_steps = warm
            self.by_step = LambdaLR(optimizer, lambda step: warmup(step, warm, training.warmup_start))
            self.plateau = ReduceLROnPlateau(
                optimizer,
                mode="max",
                factor=training.plateau_factor,
                patience=training.plateau_patience,
                threshold=0.0,
                min_lr=training.least_rate,
            )
        elif phase == 2:
            first = min(training.cosine_epochs, epochs) * steps_per_epoch
            self.by_step = LambdaLR(
                optimizer, lambda step: cosine_with_restarts(step, first, training.cosine_growth)
            )
        else:
            rise = training.onecycle_rise
            if rise * (total + 1) == 1:  # torch would divide by the zero steps of the rise
                rise = 1.5 / (total + 1)
            self.by_step = OneCycleLR(
                optimizer,
                max_lr=[group["lr"] for group in optimizer.param_groups],
                total_steps=total + 1,  # torch takes one step at construction
                pct_start=rise,
                div_factor=training.onecycle_start,
                final_div_factor=training.onecycle_end,
                cycle_momentum=False,
            )
        self.steps = 0
        self._floor()

    def step(self) -> None:
        self.steps += 1
        if self.plateau is None or self.steps <= self.warm_steps:
            self.by_step.step()
            self._floor()

    def epoch_end(self, score: float) -> None:
        if self.plateau is not None and self.steps >= self.warm_steps:
            self.plateau.step(score)

    def _floor(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = max(group["lr"], self.least_rate)

    def state_dict(self) -> dict:
        """Plain numbers and lists, so that it can lie in JSON."""
        plain = {
            k: v for k, v in self.by_step.state_dict().items() if isinstance(v, (int, float, list, bool))
        }
        plain.pop("lr_lambdas", None)
        plateau = self.plateau.state_dict() if self.plateau is not None else None
        return {"steps": self.steps, "by_step": plain, "plateau": plateau}

    def load_state_dict(self, state: dict) -> None:
        """Raises ValueError for the state of another schedule: its names become attributes."""
        if not _is_alike(state, self.state_dict()):
            raise ValueError("the schedule is another one")
        self.steps = state["steps"]
        self.by_step.__dict__.update(state["by_step"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])


def _is_alike(given: Any, own: Any) -> bool:
    """Whether two trees of plain values have the same names, lengths and kinds of values."""
    if isinstance(own, dict):
        return (
            isinstance(given, dict)
            and given.keys() == own.keys()
            and all(_is_alike(given[name], own[name]) for name in own)
        )
    if isinstance(own, list):
        return isinstance(given, list) and len(given) == len(own) and all(map(_is_alike, given, own))
    if isinstance(own, float):
        return type(given) in (int, float)
    return type(given) is type(own)


def warmup(step: int, warm: int, start: float) -> float:
    """Share of the rate at `step`: linear from `start` to 1 over `warm` steps."""
    return 1.0 if step >= warm else start + (1 - start) * step / warm


def cosine_with_restarts(step: int, first: int, growth: int) -> float:
    """Share of the rate: half a cosine from 1 to 0, over `first` steps, then ever longer ones (SGDR, eq. 5)."""
    period = first
    while step >= period:
        step -= period
        period *= growth
    return 0.5 * (1 + math.cos(math.pi * step / period))
