"""The training loop, visible: three phases, their epochs, their steps."""

import logging
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator

from tricue.checkpoint.checkpoint import Card, best_model, read_card, read_weights, save_checkpoint
from tricue.files.atomic import recover_folder, remove_folder, replaced_folder
from tricue.model.network import Network
from tricue.prediction.batches import Examples, hide_modalities, row_lengths, training_plan
from tricue.prediction.inference import read_logits
from tricue.training import training_state as state
from tricue.training.averaging import running_average
from tricue.training.log import RunLog
from tricue.training.phases import (
    COUNTERFACTUAL,
    Phase,
    Schedule,
    loss_terms,
    loss_weights,
    parameter_groups,
    phases_of,
)
from tricue.training.sound_copies import SoundCopies
from tricue.training.speaker_removal import Removal, has_speakers, learn_speakers
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
    best_score: float = -1.0  # the task's val score, of this phase
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
        copies: SoundCopies | None = None,
    ) -> None:
        self.network = network.to(accelerator.device)
        self.average = running_average(self.network, card.config.training.average)
        self.card = card
        self.config = card.config
        self.training = card.config.training
        self.train, self.val = train, val
        self.copies = copies
        self.save_dir = save_dir
        self.accelerator = accelerator
        live = [parameter for own in network.live.values() for parameter in own.parameters()]
        self.encoder_weights = [parameter for parameter in live if parameter.requires_grad]
        self.phases = phases_of(self.training)
        self.lengths = row_lengths(train)
        assert train.labels is not None
        self.task = card.task
        self.objective = self.task.objective(train.labels, self.training)
        balanced = self.training.sampler == "balanced"
        self.strata = self.task.strata(train.labels) if balanced else None
        adapted = self.config.speaker.adaptation != "off"
        self.removal = Removal.of(self.network, train, self.task, self.config) if adapted else None
        self.standing = Standing()
        self.log = RunLog(save_dir, self.training.tensorboard, quiet, "LEAKY" if card.leaky else "")
        self.saved_at = time.monotonic()

    @property
    def averaged(self) -> Network:
        """The network under the running average of its weights."""
        return cast(Network, self.average.module)

    # --- the run -----------------------------------------------------------------------------------

    def fit(self) -> Standing:
        """All phases, from the beginning or from where a killed run stood."""
        resumed = self._resume()
        for phase in self.phases[self.phases.index(self.standing.phase) :]:
            if not resumed:
                self._start_phase(phase)
            resumed = False
            while self.standing.epoch < self.training.epochs[phase - 1]:
                self._train_epoch()
                self._end_epoch()
            self._end_phase()
        self._keep_best_model()
        self.log.close()
        return self.standing

    def _start_phase(self, phase: Phase) -> None:
        """The best weights of the phase before, a fresh optimizer."""
        if phase > 1:
            before = self.phases[self.phases.index(phase) - 1]
            self.network.load_state_dict(read_weights(self.save_dir / f"phase{before}", state.REMEDY))
            self.average = running_average(self.network, self.training.average)
        self.standing = replace(
            self.standing, phase=phase, epoch=0, batches=0, seconds=0.0, best_score=-1.0, best_epoch=-1, sums={}
        )
        torch.manual_seed(self.config.seed * 10 + phase)
        self._make_optimizer()
        self.log.line(f"Phase {phase}: {self.training.epochs[phase - 1]} epochs")

    def _make_optimizer(self) -> None:
        phase, training = self.standing.phase, self.training
        self._train_encoders(True)
        optimizer = torch.optim.AdamW(parameter_groups(self.network, phase, training), fused=True)
        batches = -(-len(self.train) // training.batch_size)
        self.schedule = Schedule(optimizer, phase, training, -(-batches // training.accumulation))
        self.accelerator.free_memory()  # else it would unscale the gradients once for each earlier phase's too
        self.optimizer = self.accelerator.prepare(optimizer)
        self.learner = state.Learner(self.network, self.average, self.optimizer, self.schedule, self.accelerator.scaler)

    def _end_phase(self) -> None:
        self._learn_speakers()
        self.standing.phase_scores[str(self.standing.phase)] = self.standing.best_score
        if self.val is not None:
            self.log.line(
                f"Phase {self.standing.phase}: best val {self.task.selected_words} {self.standing.best_score:.4f} "
                f"in epoch {self.standing.best_epoch + 1}"
            )

    def _learn_speakers(self) -> None:
        """How the training speakers differ, by the weights that the phase kept."""
        if not has_speakers(self.train.utterances, self.config):
            return
        folder = self.save_dir / f"phase{self.standing.phase}"
        card = read_card(folder)
        network = self.averaged
        network.load_state_dict(read_weights(folder, state.REMEDY))
        found = learn_speakers(network, self.train, self.task, self.config, self.accelerator.device)
        if found is not None:
            save_checkpoint(folder, network, replace(card, speakers=found, config=self.config))

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
        plan = training_plan(self.lengths, self.training.batch_size, key, self.strata)
        weights = loss_weights(standing.phase, standing.epoch, self.training)
        train = self.copies.drawn(self.train, key) if self.copies else self.train
        self.network.train()
        self._train_encoders(standing.phase > 1 or standing.epoch >= self.training.head_first_epochs)
        title = f"phase {standing.phase} epoch {standing.epoch + 1}"
        started = time.monotonic() - standing.seconds
        for rows in self.log.bar(plan[standing.batches :], len(plan), standing.batches, title):
            window = standing.batches - standing.batches % accumulation  # first batch of this step
            size = min(accumulation, len(plan) - window)
            batch = train.batch(rows)
            self._train_batch(self.removal.taken_off(batch, rows) if self.removal else batch, weights, size)
            standing.batches += 1
            standing.seconds = time.monotonic() - started
            if standing.batches == window + size:
                self._step()
                due = time.monotonic() - self.saved_at >= 60 * self.training.save_minutes
                if due and standing.batches < len(plan):
                    self._save_state()

    def _train_encoders(self, trained: bool) -> None:
        """Whether the live encoders learn; else they run as in use, and the head's gradients are clipped alone."""
        for weight in self.encoder_weights:
            weight.requires_grad_(trained)
        for live in self.network.live.values():  # then: what is frozen stays as in use
            live.train(trained)

    def _train_batch(self, batch: Batch, weights: dict[str, float], window: int) -> None:
        """Forward, losses and backward of one batch; `window` batches make one optimizer step."""
        batch = hide_modalities(batch, self.training.modality_dropout, self.training.whole_view)
        batch = batch.to(self.accelerator.device)
        with self.accelerator.autocast():
            changed = any(weights[name] for name in COUNTERFACTUAL)  # one that no term reads is not made
            output = self.network(batch, counterfactual=changed, intention=weights["intention"] > 0)
        terms = loss_terms(output, batch, weights, self.training, self.objective)
        loss = torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
        if not torch.isfinite(loss):
            self._stop_at(batch, terms)
        if self.standing.steps % NORMS_EVERY == 0:
            self._log_gradient_norms(output, terms)
        self.accelerator.backward(loss / window)
        self._count(batch, output, terms, loss)

    def _step(self) -> None:
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.training.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        self.average.update_parameters(self.network)
        self.standing.steps += 1

    def _end_epoch(self) -> None:
        """Score on val, keep the weights if they are the best of the phase, write history and state."""
        standing = self.standing
        started = time.monotonic()
        row = self._epoch_row()
        score, logits = 0.0, None
        if self.val is not None:
            batch_size = self.config.evaluation.batch_size
            logits = read_logits(self.averaged, self.val, batch_size, self.accelerator.device)
            row |= self._score_val(self.val, logits)
            score = row[f"val_{self.task.selected}"]
        row["seconds"] = standing.seconds + time.monotonic() - started
        last = standing.epoch + 1 == self.training.epochs[standing.phase - 1]
        better = standing.best_epoch < 0 or score > standing.best_score
        if better if self.val is not None else last:
            standing.best_score, standing.best_epoch, row["best"] = score, standing.epoch, True
            self._save_phase(score, logits)
        standing.history.append(row)
        standing.epoch, standing.batches, standing.seconds, standing.sums = standing.epoch + 1, 0, 0.0, {}
        words = self.task.selected_words
        self.log.epoch(standing.history, row, standing.steps, self.task.selected, words, self.objective.measure)
        self._save_state()

    def _save_phase(self, score: float, logits: torch.Tensor | None) -> None:
        """The average of the weights; where val is read with its score, and the calibration that fits it."""
        card = replace(self.card, phase=self.standing.phase, epoch=self.standing.epoch)
        if self.val is not None and logits is not None:
            assert self.val.labels is not None
            found = self.task.calibrate(logits.numpy(), self.val.labels)
            card = replace(card, val_score=score, val_score_name=self.task.selected, calibration=found)
        save_checkpoint(self.save_dir / f"phase{self.standing.phase}", self.averaged, card)

    def _score_val(self, val: Examples, logits: torch.Tensor) -> dict[str, float]:
        """The task's loss and its scores."""
        assert val.labels is not None
        loss = self.objective.loss(logits, torch.from_numpy(val.labels))
        scores = self.task.select(logits, val.labels)
        return {"val_loss": float(loss), **{f"val_{name}": value for name, value in scores.items()}}

    # --- what is counted and logged ----------------------------------------------------------------

    def _count(self, batch: Batch, output: Output, terms: dict[str, torch.Tensor], loss: torch.Tensor) -> None:
        """Sums over the rows of the epoch, by name."""
        assert batch.labels is not None
        rows = len(batch.ids)
        values = {"loss": loss.item(), **{f"{name}_loss": term.item() for name, term in terms.items()}}
        with torch.no_grad():
            progress = self.objective.progress(output.logits, batch.labels)
            values[self.objective.measure] = progress.item()
            if output.h_cf is not None and output.logits_cf is not None:
                flips = self.objective.differ(output.logits, output.logits_cf).float().mean()
                values |= {"change": output.change().mean().item(), "flips": flips.item()}
        for name, value in values.items():
            self.standing.sums[name] = self.standing.sums.get(name, 0.0) + value * rows
        self.standing.sums["rows"] = self.standing.sums.get("rows", 0.0) + rows

    def _epoch_row(self) -> dict[str, Any]:
        standing = self.standing
        rows = standing.sums["rows"]
        means = {f"train_{name}": value / rows for name, value in standing.sums.items() if name != "rows"}
        weights = loss_weights(standing.phase, standing.epoch, self.training)
        strengths = {
            f"a_{modality}": self.network.counterfactual.strength(modality).item()
            for modality in self.network.modalities
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
            if gradient is not None:  # the heads of single modalities do not read H
                norms[f"gradient_norm/{name}"] = float(gradient.norm())
        self.log.scalars(norms, self.standing.steps)

    def _stop_at(self, batch: Batch, terms: dict[str, torch.Tensor]) -> None:
        values = ", ".join(f"{name} {term.item():.4g}" for name, term in terms.items())
        raise TrainingError(
            f"The loss is not finite in phase {self.standing.phase}, epoch {self.standing.epoch + 1}, "
            f"step {self.standing.steps} ({values}); utterances: {', '.join(batch.ids)}. "
            "Look at their features (NaN, huge values), or lower training.rate."
        )

    # --- state -------------------------------------------------------------------------------------

    def _save_state(self) -> None:
        state.save_state(self.save_dir / "state", self.learner, asdict(self.standing))
        self.saved_at = time.monotonic()

    def _resume(self) -> bool:
        """Go on from `save_dir/state` if there is one."""
        folder = self.save_dir / "state"
        recover_folder(folder)
        if not folder.is_dir():
            return False
        self.standing = Standing(**state.read_progress(folder, asdict(self.standing)))
        if self.standing.phase not in self.phases:
            raise InvalidFileError(
                f"{folder} is of phase {self.standing.phase}, which this run has not. {state.REMEDY}"
            )
        self._check_kept()
        self._make_optimizer()
        state.load_state(folder, self.learner)
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
    """Log why the kept model's answers are not fitted to val, where they are not."""
    found = card.calibration or {}
    if found.get("held"):  # a run that an earlier version began does not say
        logger.warning("%s: %s.", card.task.held_words, found["held"])
