"""What the report is drawn from: each phase's model on the same rows, its answers and what it holds inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tricue.checkpoint import checkpoint_folder
from tricue.evaluation.evaluate import Evaluation, Trial, score_trial
from tricue.features.extract import FeatureSet
from tricue.model.network import Network
from tricue.report.figure import PHASE_COLOURS
from tricue.training import log
from tricue.training.batches import Examples, gather_examples, reading_plan, row_lengths
from tricue.types import CUES, Cue, Output

CROSS = "cross-attention"  # the space after it; those of the progressive BiLSTM are "BiLSTM layer 1", ...


@dataclass(frozen=True)
class Space:
    """One cue's vectors at one place of the network: mean over the valid steps of each row that has the cue."""

    place: str
    cue: Cue
    rows: np.ndarray  # (n,) which of the scored rows
    vectors: np.ndarray  # (n, D) float32


class Answers:
    """What models answered to the scored rows (N of them), as the figures of classes and calibration read it."""

    evaluation: Evaluation
    labels: np.ndarray  # (N,) class numbers

    @property
    def title(self) -> str:
        raise NotImplementedError

    @property
    def key(self) -> str:
        """In the names of files."""
        return self.title.lower().replace(" ", "")

    @property
    def colour(self) -> str:
        raise NotImplementedError

    @property
    def emotions(self) -> list[str]:
        return self.evaluation.card.emotions

    @property
    def probabilities(self) -> np.ndarray:
        """(N, C)."""
        return self.evaluation.probabilities

    @property
    def answered(self) -> np.ndarray:
        """(N,) bool: whether the row has a usable cue. The others hold the training shares, which are no answer."""
        return np.array([p.emotion is not None for p in self.evaluation.predictions], dtype=bool)


@dataclass(frozen=True)
class Pooled(Answers):
    """What counts as one of several runs: a seed, with all its folds."""

    name: str  # of its folder, e.g. seed-0
    evaluation: Evaluation
    labels: np.ndarray
    folds: bool

    @property
    def title(self) -> str:
        return self.name.replace("-", " ").capitalize() + (", all folds" if self.folds else "")

    @property
    def key(self) -> str:
        return self.name

    @property
    def colour(self) -> str:
        return PHASE_COLOURS[3]


@dataclass(frozen=True)
class Reading(Answers):
    """One phase's model on the scored rows (N of them)."""

    phase: int
    network: Network  # in evaluation mode, on the CPU
    evaluation: Evaluation
    labels: np.ndarray  # (N,) class numbers
    change: np.ndarray  # (n,) |H_cf - H_org| / |H_org| of the rows that have a cue
    flips: np.ndarray  # (n,) bool, whether H_cf gives another class than H_org
    strengths: dict[Cue, float]  # a_m
    spaces: list[Space]

    @property
    def title(self) -> str:
        return f"Phase {self.phase}"

    @property
    def colour(self) -> str:
        return PHASE_COLOURS[self.phase]


def read_history(model_path: Path) -> list[dict[str, Any]]:
    """One row per epoch of the model's run, oldest first; none where it lies elsewhere.

    Raises InvalidFileError where the file is damaged.
    """
    folder = checkpoint_folder(model_path).parent
    return log.read_history(folder) if (folder / log.HISTORY).is_file() else []


def class_numbers(evaluation: Evaluation) -> np.ndarray:
    """(N,) the class of each scored row."""
    emotions = evaluation.card.emotions
    return np.array([emotions.index(str(u.emotion)) for u in evaluation.utterances])


def read_phase(phase: int, trial: Trial, features: FeatureSet, device: str) -> Reading:
    """Score a checkpoint on the features of its rows, and look inside it."""
    evaluation = score_trial(trial, features, device)
    network = trial.network.cpu()  # looked at row by row from here on
    rows = trial.rows
    labels = class_numbers(evaluation)
    examples = gather_examples(rows, features.arrays, trial.card.emotions)
    place = {id(u): i for i, u in enumerate(rows)}
    usable = np.array([place[id(u)] for u in examples.utterances], dtype=int)
    inside = _look_inside(network, examples, evaluation.config.evaluation.batch_size)
    return Reading(
        phase=phase,
        network=network,
        evaluation=evaluation,
        labels=labels,
        change=inside.change,
        flips=inside.flips,
        strengths={cue: network.counterfactual.strength(cue).item() for cue in network.cues},
        spaces=[Space(s.place, s.cue, usable[s.rows], s.vectors) for s in inside.spaces],
    )


@dataclass
class _Inside:
    change: np.ndarray
    flips: np.ndarray
    spaces: list[Space]


@torch.no_grad()
def _look_inside(network: Network, examples: Examples, batch_size: int) -> _Inside:
    change, flips = np.zeros(len(examples)), np.zeros(len(examples), dtype=bool)
    held: dict[tuple[str, Cue], dict[int, np.ndarray]] = {}
    for rows in reading_plan(row_lengths(examples), batch_size):
        batch = examples.batch(rows)
        output = network(batch, counterfactual=True)
        change[rows], flips[rows] = (values.numpy() for values in output.moved())
        for cue, mask in output.masks.items():
            for place, values in _places(output, cue):
                vectors, present = _mean_over_time(values, mask)
                into = held.setdefault((place, cue), {})
                into.update((rows[i], vectors[i]) for i in np.flatnonzero(present))
    return _Inside(change, flips, _as_spaces(held))


def _places(output: Output, cue: Cue) -> list[tuple[str, torch.Tensor]]:
    layers = [(f"BiLSTM layer {i}", values) for i, values in enumerate(output.layers[cue], start=1)]
    return [*layers, (CROSS, output.enhanced[cue])]


def _mean_over_time(values: torch.Tensor, mask: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(B, T, D) -> (B, D) means over the valid steps, and (B,) which rows have one."""
    steps = mask.sum(dim=1)
    summed = torch.where(mask.unsqueeze(-1), values, 0.0).sum(dim=1)
    return (summed / steps.clamp_min(1).unsqueeze(-1)).numpy(), (steps > 0).numpy()


def _as_spaces(held: Mapping[tuple[str, Cue], Mapping[int, np.ndarray]]) -> list[Space]:
    """In the order of the network: cross-attention first, as the seed shows it, then layer by layer; cue by cue."""
    places = sorted({place for place, _ in held}, key=lambda place: (place != CROSS, place))
    order: Sequence[tuple[str, Cue]] = [(p, cue) for p in places for cue in CUES if (p, cue) in held]
    spaces = []
    for place, cue in order:
        rows = np.array(sorted(held[place, cue]), dtype=int)
        vectors = np.array([held[place, cue][i] for i in rows], dtype=np.float32)
        spaces.append(Space(place, cue, rows, vectors))
    return spaces
