"""What each phase adds: its loss terms with their weights; the learning rate, which falls over all of them."""

import math

import torch
from torch.optim.lr_scheduler import LambdaLR

from tricue.config.load import PHASE_SHARES
from tricue.config.training_settings import TrainingConfig
from tricue.model.network import LIVE, Network
from tricue.tasks.task import Objective
from tricue.training.losses import alignment_loss, change_penalty
from tricue.types import PHASES, Batch, ModalityName, Output, Phase

WARMUP_START = 0.1  # share of the rate at the first step
LEAST_RATE = 1e-7
COUNTERFACTUAL = ("alignment", "intention", "minimal_change")  # the terms that read the counterfactual
ALIGNMENT_STEP, INTENTION_STEP = 0.02, 0.01  # growth of the two losses' weights per epoch


def phases_of(training: TrainingConfig) -> list[Phase]:
    """The phases that have an epoch, in order."""
    return [phase for phase in PHASES if training.epochs[phase - 1] > 0]


def loss_weights(phase: Phase, epoch: int, training: TrainingConfig) -> dict[str, float]:
    """Weight of each term beside the task's loss in `epoch` (from 0) of `phase`.

    lambda(e) = min(cap, step (e + 1)); in a phase shorter than the seed's the ramp shrinks in proportion.
    """
    shrink = max(1.0, PHASE_SHARES[phase - 1] / training.epochs[phase - 1])
    ramp = (epoch + 1) * shrink
    alignment = min(training.alignment_weight, ALIGNMENT_STEP * ramp) if phase == 2 else 0.0
    intention = min(training.intention_weight, INTENTION_STEP * ramp) if phase == 3 else 0.0
    return {
        "auxiliary": training.auxiliary_weight,
        "alignment": training.alignment_weight if phase == 3 else alignment,
        "intention": intention,
        "minimal_change": training.minimal_change if phase > 1 else 0.0,
    }


def loss_terms(
    output: Output, batch: Batch, weights: dict[str, float], training: TrainingConfig, objective: Objective
) -> dict[str, torch.Tensor]:
    """The terms that the phase has, unweighted by name; the task's own always. A new loss is one line here."""
    assert batch.labels is not None
    labels = batch.labels
    terms = {objective.name: objective.loss(output.logits, labels)}
    if output.auxiliary and weights["auxiliary"]:
        terms["auxiliary"] = torch.stack([_alone(output, m, labels, objective) for m in output.auxiliary]).mean()
    if output.h_cf is not None and weights["alignment"]:
        positive = objective.same(labels, labels)
        form, tau, margin = training.alignment, training.temperature, training.margin
        terms["alignment"] = alignment_loss(output.h_org, output.h_cf, positive, form, tau, margin)
    if output.h_cf is not None and weights["minimal_change"]:
        terms["minimal_change"] = change_penalty(output.h_org, output.h_cf)
    if output.logits_intention is not None and weights["intention"]:
        terms["intention"] = objective.intention(output.logits_intention, output.logits, labels)
    return terms


def _alone(output: Output, modality: ModalityName, labels: torch.Tensor, objective: Objective) -> torch.Tensor:
    """The task's loss of what a modality says alone, over the rows that have it."""
    present = output.masks[modality].any(dim=1)
    return objective.loss(output.auxiliary[modality][present], labels[present])


def parameter_groups(network: Network, phase: Phase, training: TrainingConfig) -> list[dict]:
    """AdamW groups of what the phase trains: live encoders at their own rate, layer by layer, the rest; decay on
    matrices only.

    The counterfactual part joins in phase 2, the intention predictor in phase 3.
    """
    later = {1: ("counterfactual.", "intention."), 2: ("intention.",), 3: ()}[phase]
    depths = _depths(network) if training.layer_decay < 1.0 else {}
    groups: dict[tuple[bool, int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and not name.startswith(later):
            key = (name.startswith(LIVE), depths.get(name, 0), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": training.encoder_rate * training.layer_decay**depth if encoder else training.rate,
            "weight_decay": training.weight_decay if decays else 0.0,
        }
        for (encoder, depth, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _depths(network: Network) -> dict[str, int]:
    """Parameters of the live encoders -> layers above them."""
    return {
        f"{LIVE}{modality}.{name}": depth
        for modality, live in network.live.items()
        for name, depth in live.depths().items()
    }


class Schedule:
    """The rate of a phase: its part of one warm-up and half a cosine over all phases. Never under LEAST_RATE.

    `step()` comes after each optimizer step.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, phase: Phase, training: TrainingConfig, steps_per_epoch: int
    ) -> None:
        self.optimizer = optimizer
        before, epochs = sum(training.epochs[: phase - 1]), sum(training.epochs)
        warm = round(min(training.warmup_epochs, epochs / 2) * steps_per_epoch)
        first, total = before * steps_per_epoch, epochs * steps_per_epoch
        self.by_step = LambdaLR(optimizer, lambda step: warmup_then_cosine(first + step, warm, total))
        self._floor()

    def step(self) -> None:
        self.by_step.step()
        self._floor()

    def _floor(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = max(group["lr"], LEAST_RATE)

    def state_dict(self) -> dict:
        """Plain numbers and lists, so that it can lie in JSON."""
        plain = {k: v for k, v in self.by_step.state_dict().items() if isinstance(v, (int, float, list, bool))}
        plain.pop("lr_lambdas", None)
        return {"by_step": plain}

    def load_state_dict(self, state: dict) -> None:
        self.by_step.__dict__.update(state["by_step"])


def warmup_then_cosine(step: int, warm: int, total: int) -> float:
    """Share of the rate at `step`: linear from WARMUP_START to 1 over `warm` steps, then half a cosine to 0."""
    if step < warm:
        return WARMUP_START + (1 - WARMUP_START) * step / warm
    return 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(total - warm, 1), 1.0)))
