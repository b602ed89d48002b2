"""The training loop, visible: three phases, their epochs, their steps (design.md, section 5)."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from sklearn.metrics import accuracy_score, f1_score

from tricue.calibration import calibrate
from tricue.checkpoint import Card, best_model, read_card, read_weights, save_checkpoint
from tricue.files import recover_folder, remove_folder, replaced_folder
from tricue.inference import read_logits
from tricue.model.network import Network
from tricue.training import state
from tricue.training.batches import Examples, hide_cues, row_lengths, training_plan
from tricue.training.log import RunLog
from tricue.training.losses import AlignmentQueue, class_weights, focal_loss
from tricue.training.phases import (
    Phase,
    Schedule,
    loss_terms,
    loss_weights,
    parameter_groups,
    phases_of,
    ramp_epochs,
)
from tricue.types import Batch, InvalidFileError, Output, TrainingError

logger = logging.getLogger(__name__)

NORMS_EVERY = 20  # optimizer steps between the logged gradient norms of the loss terms


@dataclass
class Standing:
    """Where the run stands: plain numbers, kept as JSON between two lives of it."""

    phase: Phase = 1
    epoch: int = 0  # within the phase, from 0
    batches: int = 0  # done in this epoch
    steps: int = 0  # optimizer steps since the run began
    seconds: float = 0.0  # spent in this epoch
    best_score: float = -1.0  # val weighted F1, of this phase
    best_epoch: int = -1
    sums: dict[str, float] = field(default_factory=dict)  # of this epoch's rows, by name
    phase_scores: dict[str, float] = field(default_factory=dict)  # best of each finished phase
    history: list[dict[str, Any]] = field(default_factory=list)  # one row per epoch


class Trainer:
    """Trains `network` on `train`, chooses by `val`, leaves phase1/ phase2/ phase3/ best_model/ in `save_dir`.

    `val` is None exactly where `training.select` is `last`: fixed epochs, the last weights count.
    The state in `save_dir/state` makes a killed run go on to the same weights as an unbroken one.
    """

    def __init__(
        self,
        network: Network,
        card: Card,
        train: Examples,
        val: Examples | None,
        save_dir: Path,
        accelerator: Accelerator,
        quiet: bool = False,
    ) -> None:
        self.network = network.to(accelerator.device)
        self.card = card
        self.config = card.config
        self.training = card.config.training
        self.train, self.val = train, val
        self.save_dir = save_dir
        self.accelerator = accelerator
        self.phases = phases_of(self.training)
        self.lengths = row_lengths(train)
        assert train.labels is not None
        counts = torch.from_numpy(np.bincount(train.labels, minlength=len(card.emotions)))
        self.class_weights = class_weights(counts, self.training.class_weights).to(accelerator.device)
        self.standing = Standing()
        self.log = RunLog(save_dir, self.training.tensorboard, quiet, "LEAKY" if card.leaky else "")
        self.saved_at = time.monotonic()

    # --- the run -----------------------------------------------------------------------------------

    def fit(self) -> Standing:
        """All phases, from the beginning or from where a killed run stood."""
        resumed = self._resume()
        for phase in self.phases[self.phases.index(self.standing.phase) :]:
            if not resumed:
                self._start_phase(phase)
            resumed = False
            while not self._phase_is_over():
                self._train_epoch()
                self._end_epoch()
            self._end_phase()
        self._keep_best_model()
        self.log.close()
        return self.standing

    def _start_phase(self, phase: Phase) -> None:
        """The best weights of the phase before, a fresh optimizer and schedule."""
        if phase > 1:
            before = self.phases[self.phases.index(phase) - 1]
            self.network.load_state_dict(read_weights(self.save_dir / f"phase{before}", state.REMEDY))
        self.standing = replace(
            self.standing,
            phase=phase,
            epoch=0,
            batches=0,
            seconds=0.0,
            best_score=-1.0,
            best_epoch=-1,
            sums={},
        )
        torch.manual_seed(self.config.seed * 10 + phase)
        self._make_optimizer()
        self.log.line(f"Phase {phase}: {self.training.epochs[phase - 1]} epochs at most")

    def _make_optimizer(self) -> None:
        phase, training = self.standing.phase, self.training
        optimizer = torch.optim.AdamW(parameter_groups(self.network, phase, training), fused=True)
        batches = -(-len(self.train) // training.batch_size)
        self.schedule = Schedule(optimizer, phase, training, -(-batches // training.accumulation))
        self.accelerator.free_memory()  # else it would unscale the gradients once for each earlier phase's too
        self.optimizer = self.accelerator.prepare(optimizer)
        self.queue = None
        if training.alignment_queue > 0 and phase > 1:
            self.queue = AlignmentQueue(
                training.alignment_queue, self.config.model.width, self.accelerator.device
            )

    def _phase_is_over(self) -> bool:
        done, epochs = self.standing.epoch, self.training.epochs[self.standing.phase - 1]
        if done >= epochs or self.val is None:
            return done >= epochs
        stale = done - 1 - self.standing.best_epoch
        ramped = done >= ramp_epochs(self.standing.phase, self.training)
        return stale >= self.training.patience and ramped

    def _end_phase(self) -> None:
        self.standing.phase_scores[str(self.standing.phase)] = self.standing.best_score
        if self.val is not None:
            self.log.line(
                f"Phase {self.standing.phase}: best val weighted F1 {self.standing.best_score:.4f} "
                f"in epoch {self.standing.best_epoch + 1}"
            )

    def _keep_best_model(self) -> None:
        """best_model: the best phase by val, ties to the earlier; without val the last phase."""
        scores = self.standing.phase_scores
        best = max(scores, key=lambda phase: (scores[phase], -int(phase)))
        if self.val is None:
            best = str(self.phases[-1])
        with replaced_folder(best_model(self.save_dir, self.config)) as fresh:
            shutil.copytree(self.save_dir / f"phase{best}", fresh, dirs_exist_ok=True)
        _report_calibration(read_card(best_model(self.save_dir, self.config)))
        remove_folder(self.save_dir / "state")

    # --- an epoch ----------------------------------------------------------------------------------

    def _train_epoch(self) -> None:
        """The batches of this epoch that are not done yet; the plan is a function of seed, phase and epoch."""
        standing, accumulation = self.standing, self.training.accumulation
        key = (self.config.seed, standing.phase, standing.epoch)
        labels = self.train.labels if self.training.sampler == "balanced" else None
        plan = training_plan(self.lengths, self.training.batch_size, key, labels)
        weights = loss_weights(standing.phase, standing.epoch, self.training)
        self.network.train()
        title = f"phase {standing.phase} epoch {standing.epoch + 1}"
        started = time.monotonic() - standing.seconds
        for rows in self.log.bar(plan[standing.batches :], len(plan), standing.batches, title):
            window = standing.batches - standing.batches % accumulation  # first batch of this step
            size = min(accumulation, len(plan) - window)
            self._train_batch(self.train.batch(rows), weights, size)
            standing.batches += 1
            standing.seconds = time.monotonic() - started
            if standing.batches == window + size:
                self._step()
                if standing.batches < len(plan) and self._save_is_due():
                    self._save_state()

    def _train_batch(self, batch: Batch, weights: dict[str, float], window: int) -> None:
        """Forward, losses and backward of one batch; `window` batches make one optimizer step."""
        batch = hide_cues(batch, self.training.modality_dropout, self.training.whole_view)
        batch = batch.to(self.accelerator.device)
        with self.accelerator.autocast():
            changed = any(weights.values())  # a counterfactual that no term reads is not made
            output = self.network(batch, counterfactual=changed, intention=weights["intention"] > 0)
        terms = loss_terms(output, batch, weights, self.training, self.class_weights, self.queue)
        loss = torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
        if not torch.isfinite(loss):
            self._stop_at(batch, terms)
        if self.standing.steps % NORMS_EVERY == 0:
            self._log_gradient_norms(output, terms)
        self.accelerator.backward(loss / window)
        if self.queue is not None and output.h_cf is not None and batch.labels is not None:
            self.queue.push(output.h_cf, batch.labels)
        self._count(batch, output, terms, loss)

    def _step(self) -> None:
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.training.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        self.standing.steps += 1

    def _end_epoch(self) -> None:
        """Score on val, keep the weights if they are the best of the phase, write history and state."""
        standing = self.standing
        started = time.monotonic()
        row = self._epoch_row()
        score = -row["train_loss"]  # the plateau's yardstick where val is never read
        logits = None
        if self.val is not None:
            logits = self._read_val(self.val)
            row |= self._score_val(self.val, logits)
            score = row["val_weighted_f1"]
        row["seconds"] = standing.seconds + time.monotonic() - started
        self.schedule.epoch_end(score)
        last = standing.epoch + 1 == self.training.epochs[standing.phase - 1]
        if score > standing.best_score if self.val is not None else last:
            standing.best_score, standing.best_epoch, row["best"] = score, standing.epoch, True
            self._save_phase(score, logits)
        standing.history.append(row)
        standing.epoch, standing.batches, standing.seconds, standing.sums = standing.epoch + 1, 0, 0.0, {}
        self.log.epoch(standing.history, row, standing.steps)
        self._save_state()

    def _save_phase(self, score: float, logits: torch.Tensor | None) -> None:
        """The weights as they are; where val is read with its score, and the temperature that fits it."""
        card = replace(self.card, phase=self.standing.phase, epoch=self.standing.epoch)
        if self.val is not None and logits is not None:
            assert self.val.labels is not None
            found = calibrate(logits.numpy(), self.val.labels)
            card = replace(card, val_weighted_f1=score, calibration=found)
        save_checkpoint(self.save_dir / f"phase{self.standing.phase}", self.network, card)

    def _read_val(self, val: Examples) -> torch.Tensor:
        """Logits (N, C) on val, in evaluation mode."""
        return read_logits(self.network, val, self.config.evaluation.batch_size, self.accelerator.device)

    def _score_val(self, val: Examples, logits: torch.Tensor) -> dict[str, float]:
        """Loss, accuracy and weighted F1."""
        assert val.labels is not None
        labels, guesses = torch.from_numpy(val.labels), logits.argmax(dim=1)
        loss = focal_loss(logits, labels, self.class_weights.cpu(), self.training.focal_gamma)
        return {
            "val_loss": float(loss),
            "val_accuracy": float(accuracy_score(labels, guesses)),
            "val_weighted_f1": float(f1_score(labels, guesses, average="weighted", zero_division=0)),
        }

    # --- what is counted and logged ----------------------------------------------------------------

    def _count(
        self, batch: Batch, output: Output, terms: dict[str, torch.Tensor], loss: torch.Tensor
    ) -> None:
        """Sums over the rows of the epoch, by name."""
        assert batch.labels is not None
        rows = len(batch.ids)
        values = {"loss": loss.item(), **{f"{name}_loss": term.item() for name, term in terms.items()}}
        values["accuracy"] = (output.logits.argmax(dim=1) == batch.labels).float().mean().item()
        if output.h_cf is not None:
            with torch.no_grad():
                change, flips = output.moved()
                values |= {"change": change.mean().item(), "flips": flips.float().mean().item()}
        for name, value in values.items():
            self.standing.sums[name] = self.standing.sums.get(name, 0.0) + value * rows
        self.standing.sums["rows"] = self.standing.sums.get("rows", 0.0) + rows

    def _epoch_row(self) -> dict[str, Any]:
        standing = self.standing
        rows = standing.sums["rows"]
        means = {f"train_{name}": value / rows for name, value in standing.sums.items() if name != "rows"}
        weights = loss_weights(standing.phase, standing.epoch, self.training)
        strengths = {
            f"a_{cue}": self.network.counterfactual.strength(cue).item() for cue in self.network.cues
        }
        return {
            "phase": standing.phase,
            "epoch": standing.epoch,
            **means,
            **{f"weight_{name}": weight for name, weight in weights.items()},
            **strengths,
            "rate": float(self.optimizer.param_groups[0]["lr"]),
        }

    def _log_gradient_norms(self, output: Output, terms: dict[str, torch.Tensor]) -> None:
        """|dL/dH| of each unweighted term: whether one drowns the others."""
        norms = {}
        for name, term in terms.items():
            (gradient,) = torch.autograd.grad(term, output.h_org, retain_graph=True, allow_unused=True)
            norms[f"gradient_norm/{name}"] = 0.0 if gradient is None else float(gradient.norm())
        self.log.scalars(norms, self.standing.steps)

    def _stop_at(self, batch: Batch, terms: dict[str, torch.Tensor]) -> None:
        values = ", ".join(f"{name} {term.item():.4g}" for name, term in terms.items())
        raise TrainingError(
            f"The loss is not finite in phase {self.standing.phase}, epoch {self.standing.epoch + 1}, "
            f"step {self.standing.steps} ({values}); utterances: {', '.join(batch.ids)}. "
            "Look at their features (NaN, huge values), or lower training.rate."
        )

    # --- state -------------------------------------------------------------------------------------

    def _save_is_due(self) -> bool:
        return time.monotonic() - self.saved_at >= 60 * self.training.save_minutes

    def _save_state(self) -> None:
        state.save_state(
            self.save_dir / "state",
            self.network,
            self.optimizer,
            self.schedule,
            self.queue,
            self.accelerator.scaler,
            asdict(self.standing),
        )
        self.saved_at = time.monotonic()

    def _resume(self) -> bool:
        """Go on from `save_dir/state` if there is one."""
        folder = self.save_dir / "state"
        recover_folder(folder)
        if not folder.is_dir():
            return False
        self.standing = Standing(**state.read_progress(folder, like=asdict(self.standing)))
        if self.standing.phase not in self.phases:
            raise InvalidFileError(
                f"{folder} is of phase {self.standing.phase}, which this run has not. {state.REMEDY}"
            )
        self._check_kept()
        self._make_optimizer()
        state.load_state(
            folder, self.network, self.optimizer, self.schedule, self.queue, self.accelerator.scaler
        )
        self.log.line(f"Resumed in phase {self.standing.phase}, epoch {self.standing.epoch + 1}")
        return True

    def _check_kept(self) -> None:
        """Raise InvalidFileError where weights that the rest of the run needs are damaged or gone."""
        standing = self.standing
        for phase in self.phases:
            if str(phase) in standing.phase_scores or (phase == standing.phase and standing.best_epoch >= 0):
                folder = self.save_dir / f"phase{phase}"
                recover_folder(folder)
                if not folder.is_dir():
                    raise InvalidFileError(f"{folder} is missing: weights of this run. {state.REMEDY}")
                read_weights(folder, state.REMEDY)


def _report_calibration(card: Card) -> None:
    """Log why the kept model's probabilities have no fitted temperature, where they have none."""
    found = card.calibration or {}
    if found.get("held"):  # a run that an earlier version began does not say
        logger.warning("The temperature stays 1, probabilities are not calibrated: %s.", found["held"])
