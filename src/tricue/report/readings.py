"""What a page is made of: each phase's model on the same rows, its answers and what it holds inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tricue.checkpoint.checkpoint import checkpoint_folder, own_phase
from tricue.evaluation.evaluate import Evaluation, score_trial, targets_of
from tricue.evaluation.trial import Trial
from tricue.features.feature_set import FeatureSet
from tricue.figures.canvas import PHASE_COLOURS
from tricue.figures.page_parts import Answers
from tricue.model.network import Network
from tricue.prediction.batches import Examples, reading_plan, row_lengths
from tricue.registry import MODALITIES
from tricue.tasks.task import Objective, Task
from tricue.training import log
from tricue.types import ModalityName, Output

if TYPE_CHECKING:
    from tricue.evaluation.several_runs import Together
    from tricue.report.study_results import Study

CROSS = "cross-attention"  # the space after it; those of the progressive BiLSTM are "BiLSTM layer 1", ...


@dataclass(frozen=True)
class Space:
    """One modality's vectors at one place of the network: mean over the valid steps of each row that has the
    modality.
    """

    place: str
    modality: ModalityName
    rows: np.ndarray  # (n,) which of the scored rows
    vectors: np.ndarray  # (n, D) float32


@dataclass(frozen=True)
class Reading:
    """One phase's model on the scored rows (N of them)."""

    phase: int
    network: Network  # in evaluation mode, on the CPU
    evaluation: Evaluation
    answers: Answers
    change: np.ndarray  # (n,) |H_cf - H_org| / |H_org| of the rows that have a modality
    flips: np.ndarray  # (n,) bool, whether H_cf gives another answer than H_org
    spaces: list[Space]


@dataclass(frozen=True)
class Material:
    """What a page is made of: the phases of one run, or several runs together."""

    metrics: Mapping[str, Any]
    of: str  # whose they are: "phase 3"
    task: Task
    answers: Sequence[Answers]
    studies: Sequence[Study]
    readings: Sequence[Reading] = ()
    history: Sequence[dict[str, Any]] = ()
    points: int | None = None  # of each t-SNE map, at most
    together: Together | None = None
    pages: Sequence[str] = field(default=())  # of the runs, from this page

    @property
    def shown(self) -> Reading:
        """The phase that the page is of."""
        return next(reading for reading in self.readings if reading.answers.is_shown)


def read_history(model_path: Path) -> list[dict[str, Any]]:
    """One row per epoch of the model's run, oldest first; none where it lies elsewhere.

    Raises InvalidFileError where the file is damaged.
    """
    folder = checkpoint_folder(model_path).parent
    return log.read_history(folder) if (folder / log.HISTORY).is_file() else []


def answers_of(evaluation: Evaluation, title: str, key: str, colour: str, is_shown: bool) -> Answers:
    """The answers of a model as figures read them. key: in the names of their files."""
    card = evaluation.card
    answered = np.array([p.label is not None for p in evaluation.predictions], dtype=bool)
    calibration = {**(card.calibration or {}), **evaluation.metrics.get("calibration", {})}
    targets = targets_of(evaluation.utterances, card)
    return Answers(title, key, colour, card.task.names, targets, evaluation.answers, answered, is_shown, calibration)


def read_phase(trial: Trial, features: FeatureSet, device: str, is_shown: bool) -> Reading:
    """Score a checkpoint on the features of its rows and look inside it, in one pass."""
    look = Look(trial.card.task.objective(targets_of(trial.rows, trial.card), trial.card.config.training))
    evaluation = score_trial(trial, features, device, look.read)
    phase = own_phase(trial.card)
    answers = answers_of(evaluation, f"Phase {phase}", f"phase{phase}", PHASE_COLOURS[phase], is_shown)
    spaces = look.spaces(np.flatnonzero(answers.answered))
    network = trial.network.cpu()  # looked at row by row from here on
    return Reading(phase, network, evaluation, answers, look.change, look.flips, spaces)


class Look:
    """Reads logits as `read_logits` does, and keeps what else a pass shows of the n rows that have a modality."""

    def __init__(self, objective: Objective) -> None:
        """objective: says whether two outputs are two answers."""
        self.objective = objective
        self.change = np.zeros(0)
        self.flips = np.zeros(0, dtype=bool)
        self.held: dict[tuple[str, ModalityName], dict[int, np.ndarray]] = {}

    @torch.inference_mode()
    def read(self, network: Network, examples: Examples, batch_size: int, device: str | torch.device) -> torch.Tensor:
        network.eval()
        count = len(examples)
        logits, self.change, self.flips = torch.empty(count, network.outputs), np.zeros(count), np.zeros(count, bool)
        for rows in reading_plan(row_lengths(examples), batch_size):
            output = network(examples.batch(rows).to(device), counterfactual=True)
            logits[rows] = output.logits.float().cpu()
            assert output.logits_cf is not None
            self.change[rows] = output.change().cpu().numpy()
            self.flips[rows] = self.objective.differ(output.logits, output.logits_cf).cpu().numpy()
            for modality, mask in output.masks.items():
                for place, values in _places(output, modality):
                    vectors, present = _mean_over_time(values, mask)
                    into = self.held.setdefault((place, modality), {})
                    into.update((rows[i], vectors[i]) for i in np.flatnonzero(present))
        return logits

    def spaces(self, usable: np.ndarray) -> list[Space]:
        """In the order of the network: cross-attention first, as the seed shows it, then layer by layer; modality by
        modality. usable: (n,) which of the scored rows the rows of the pass are.
        """
        places = sorted({place for place, _ in self.held}, key=lambda place: (place != CROSS, place))
        spaces = []
        for key in [(place, modality) for place in places for modality in MODALITIES]:
            if own := self.held.get(key):
                rows = np.array(sorted(own), dtype=int)
                spaces.append(Space(*key, usable[rows], np.array([own[i] for i in rows], dtype=np.float32)))
        return spaces


def _places(output: Output, modality: ModalityName) -> list[tuple[str, torch.Tensor]]:
    layers = [(f"BiLSTM layer {i}", values) for i, values in enumerate(output.layers[modality], start=1)]
    return [*layers, (CROSS, output.enhanced[modality])]


def _mean_over_time(values: torch.Tensor, mask: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(B, T, D) -> (B, D) means over the valid steps, and (B,) which rows have one."""
    steps = mask.sum(dim=1)
    summed = torch.where(mask.unsqueeze(-1), values, 0.0).sum(dim=1)
    return (summed / steps.clamp_min(1).unsqueeze(-1)).cpu().numpy(), (steps > 0).cpu().numpy()
