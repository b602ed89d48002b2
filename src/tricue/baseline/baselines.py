"""Baselines of a run: fitted on its training rows, kept with its checkpoint, scored beside its network.

    features -> Pooling (a vector per row) -> constant, linear model, MLP -> outputs as a network gives them
             -> calibrated, decided and scored by the task

Legend: N rows, F numbers of a pooled vector, O outputs.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold

from tricue.baseline.group_score import GroupScore, group_score, groups_of
from tricue.baseline.models import PENALTIES, Fit, Kind, Layers, constant, linear, outputs_of, perceptron
from tricue.baseline.pooled import Arrays, LabelledRows, Pooling
from tricue.tasks.task import Calibration, Task
from tricue.types import ModalityName, Prediction, Utterance, first_line

logger = logging.getLogger(__name__)

NAMES: Mapping[Kind, tuple[str, str, str]] = {
    "classes": ("most frequent class", "logistic regression", "MLP"),
    "labels": ("most frequent labels", "logistic regression", "MLP"),
    "values": ("mean", "ridge regression", "MLP"),
}
FOLDS = 5
MOST_TRIED = 2_000  # rows on which the penalty is chosen
MOST_NUMBERS = 2**27  # of the vectors that the final models are fitted on: half a gigabyte


@dataclass(frozen=True)
class Baseline:
    """A fitted model."""

    name: str
    layers: Layers
    calibration: Calibration | None = None  # as `Task.calibrate` gives it, of val


@dataclass(frozen=True)
class Baselines:
    """The models of a run."""

    pooling: Pooling
    models: tuple[Baseline, ...]
    penalty: float | None = None  # of the linear model
    left_out: GroupScore | None = None  # of the linear model on groups of the training rows, each left out in turn
    notes: tuple[str, ...] = ()  # what could not be fitted, and why

    def answers(
        self, task: Task, rows: Sequence[Utterance], arrays: Arrays, prior: Sequence[float]
    ) -> dict[str, np.ndarray]:
        """`Task.answers` of each model by name. prior: for rows without a modality, as the network answers them."""
        vectors = self.pooling.vectors(rows, arrays)
        there = [any(row.id in own for own in arrays.values()) for row in rows]
        return {
            model.name: task_answers(task, outputs_of(model.layers, vectors), model.calibration, prior, there)
            for model in self.models
        }


def task_answers(
    task: Task, outputs: np.ndarray, calibration: Calibration | None, prior: Sequence[float],
    there: Sequence[bool] | None = None,
) -> np.ndarray:  # fmt: skip
    """`Task.answers` to (N, O) outputs. there: (N,) False: a row of which nothing can be read."""
    predictions = []
    for i, values in enumerate(task.values(torch.from_numpy(outputs), calibration).tolist()):
        if there is None or there[i]:
            label, confidence = task.decide(values, calibration)
            named = dict(zip(task.names, values, strict=True))
            predictions.append(Prediction(str(i), label, confidence, named, ()))
        else:
            predictions.append(Prediction(str(i), None, None, {}, ()))
    return task.answers(predictions, prior)


def fit_baselines(
    task: Task, train: LabelledRows, val: LabelledRows | None, modalities: Sequence[ModalityName], seed: int,
    weights: np.ndarray | None = None,
) -> Baselines | None:  # fmt: skip
    """The baselines of a run; None where the task has none.

    What cannot be fitted is left out and said in `notes`: training goes on.

    Args:
        task: Says what is learnt (`Task.baseline_targets`).
        train: Training rows.
        val: Rows that choose the penalty and calibrate the answers. None: groups of the training rows, left out in
            turn, choose it, and nothing is calibrated.
        modalities: Those with frozen features.
        seed: Of the MLP's first weights, and of the rows drawn where there are many.
        weights: (O,) of the classes (`Objective.weights`). None: all rows count alike.
    """
    learnt = task.baseline_targets(train.targets)
    if learnt is None:
        return None
    first = Baseline(NAMES[task.kind][0], constant(learnt, task.kind, task.outputs))
    reason = _obstacle([train, val] if val is not None else [train], learnt, modalities)
    if reason is None:
        try:
            with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
                warnings.simplefilter("ignore", ConvergenceWarning)
                return _fitted(task, first, learnt, train, val, modalities, seed, weights)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as error:
            reason = f"the fit stopped ({first_line(error)}); look for huge values in the features"
    note = f"only the {first.name}: {reason}"
    logger.warning("Baselines: %s.", note)
    return Baselines(Pooling.of([], {}, []), (first,), notes=(note,))


def _obstacle(parts: Sequence[LabelledRows], learnt: np.ndarray, modalities: Sequence[ModalityName]) -> str | None:
    """Why nothing but a constant can be fitted; None: nothing is in the way."""
    if not any(modality in parts[0].arrays for modality in modalities):
        return "every encoder is fine-tuned, so that there are no frozen features to pool"
    if len(np.unique(learnt, axis=0)) < 2:
        return "all training rows have the same label; give rows of another"
    odd = [
        row.id
        for part in parts
        for row in part.rows
        if not all(np.isfinite(part.arrays[m].get(row.id, 0)).all() for m in modalities if m in part.arrays)
    ]
    if odd:
        return f"the features of {len(odd):,} rows hold NaN or infinity, e.g. {odd[0]}; extract them again"
    return None


def _fitted(
    task: Task, first: Baseline, learnt: np.ndarray, train: LabelledRows, val: LabelledRows | None,
    modalities: Sequence[ModalityName], seed: int, weights: np.ndarray | None,
) -> Baselines:  # fmt: skip
    """All of them. Raises ArithmeticError for weights that are no finite numbers, and what scikit-learn raises."""
    kept = _rows_in_memory(train, modalities, seed)
    notes = () if len(kept) == len(learnt) else (f"fitted on {len(kept):,} of {len(learnt):,} rows, for memory",)
    train = LabelledRows([train.rows[i] for i in kept], train.arrays, train.targets[kept])
    pooling = Pooling.of(train.rows, train.arrays, modalities)
    vectors = pooling.vectors(train.rows, train.arrays)
    found = _Fitting(task, pooling, vectors, learnt[kept], train, val, seed, weights).all(first, notes)
    arrays = [array for model in found.models for layer in model.layers for array in layer]
    if not all(np.isfinite(array).all() for array in (pooling.mean, pooling.factor, *arrays)):
        raise ArithmeticError("weights that are no finite numbers")  # a checkpoint with them could not be read
    return found


def _rows_in_memory(train: LabelledRows, modalities: Sequence[ModalityName], seed: int) -> np.ndarray:
    """Numbers of the rows whose vectors are made."""
    first = (next(iter(train.arrays[m].values()), None) for m in modalities if m in train.arrays)
    width = sum(2 * row.shape[1] for row in first if row is not None)
    return _drawn(len(train.rows), MOST_NUMBERS // max(width, 1), seed)


def _drawn(rows: int, most: int, seed: int) -> np.ndarray:
    """Numbers of at most so many rows, in order."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])


@dataclass(frozen=True)
class _Fitting:
    """The rows of a run as models learn them."""

    task: Task
    pooling: Pooling
    vectors: np.ndarray  # (N, F)
    learnt: np.ndarray  # (N,) or (N, O)
    train: LabelledRows
    val: LabelledRows | None
    seed: int
    weights: np.ndarray | None  # (O,)

    def all(self, first: Baseline, notes: tuple[str, ...]) -> Baselines:
        penalty = max(PENALTIES, key=self._score)
        small: Fit = partial(
            perceptron, kind=self.task.kind, outputs=self.task.outputs, seed=self.seed, weights=self.weights
        )
        fits = zip(NAMES[self.task.kind][1:], (self._linear(penalty), small), strict=True)
        made = [Baseline(name, fit(self.vectors, self.learnt)) for name, fit in fits]
        made = [replace(model, calibration=self._calibration(model)) for model in made]
        return Baselines(self.pooling, (first, *made), penalty, self._left_out(penalty, made[0]), notes)

    @cached_property
    def _val_vectors(self) -> np.ndarray:
        assert self.val is not None
        return self.pooling.vectors(self.val.rows, self.val.arrays)

    @cached_property
    def _tried(self) -> np.ndarray:
        return _drawn(len(self.vectors), MOST_TRIED, self.seed)

    def _linear(self, penalty: float) -> Fit:
        return partial(linear, kind=self.task.kind, outputs=self.task.outputs, penalty=penalty, weights=self.weights)

    def _score(self, penalty: float) -> float:
        """Of val, else of left-out training rows: what also chooses a network's epochs."""
        if self.val is None:
            outputs, targets = self._crossed(penalty), self.train.targets[self._tried]
        else:
            fitted = self._linear(penalty)(self.vectors[self._tried], self.learnt[self._tried])
            outputs, targets = outputs_of(fitted, self._val_vectors), self.val.targets
        return self.task.select(torch.from_numpy(outputs), targets)[self.task.selected]

    def _crossed(self, penalty: float) -> np.ndarray:
        """(n, O) outputs for the rows tried, each of a model that has not met its group."""
        tried = self._tried
        groups = groups_of([self.train.rows[i] for i in tried], FOLDS)[0]
        outputs = np.zeros((len(tried), self.task.outputs), np.float32)
        folds = GroupKFold(min(FOLDS, len(np.unique(groups))))
        for known, others in folds.split(tried, groups=groups):
            layers = self._linear(penalty)(self.vectors[tried[known]], self.learnt[tried[known]])
            outputs[others] = outputs_of(layers, self.vectors[tried[others]])
        return outputs

    def _calibration(self, model: Baseline) -> Calibration | None:
        if self.val is None:
            return None
        return self.task.calibrate(outputs_of(model.layers, self._val_vectors), self.val.targets)

    def _left_out(self, penalty: float, model: Baseline) -> GroupScore | None:
        rows, targets = [self.train.rows[i] for i in self._tried], self.train.targets[self._tried]
        answers = task_answers(self.task, self._crossed(penalty), model.calibration, self.task.prior(targets))
        return group_score(self.task, rows, targets, answers)
