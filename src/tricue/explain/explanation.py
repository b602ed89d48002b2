"""Why a model says what it says of one utterance: which modality, which words, which moments, which frames.

Every number is a difference in one value of the answer, before calibration (docs/explain.md): the probability of a
class, or a target in its own unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from math import comb
from typing import Any

import torch

from tricue.checkpoint.checkpoint import Card
from tricue.config.settings import Config
from tricue.explain.attribution import Answer, Tensors, answers_of, attribute, read_vectors
from tricue.explain.unit import Unit
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.predictions import predict_utterances
from tricue.registry import MODALITIES
from tricue.tasks.task import Task
from tricue.types import InputError, Label, ModalityName, Moment, Prediction, Utterance, label_words, shown

_SHOWN = 5  # steps of each modality that `str` names
_UNTRAINED = (
    "Trained with training.modality_dropout=0: only training rows that lacked a modality show the model what to make "
    "of a missing one. Shapley values and answers without a modality are less reliable; train with dropout, such as "
    "--set training.modality_dropout=0.3."
)


@dataclass(frozen=True)
class Step:
    """What a moment of a modality adds to the value that is explained; below 0: it speaks against it."""

    moment: Moment
    weight: float


@dataclass(frozen=True)
class Verdict:
    """What is said without a modality."""

    label: Label
    value: float  # probability of that class; where the answer is not one class, the value that is explained

    @property
    def words(self) -> str:
        """The classes, or numbers, of the label."""
        return label_words(self.label)


@dataclass(frozen=True)
class Explanation:
    """One prediction, taken apart. Values without a name are those of `target`, before calibration."""

    prediction: Prediction
    target: str  # a class, or a target of the task
    subsets: dict[
        str, float
    ]  # "text+audio" -> value with these modalities alone; "": of the training rows, its share or mean
    shapley: dict[ModalityName, float]  # their sum is the value with all modalities less that with none
    without: dict[ModalityName, Verdict]  # what is said when that modality is taken away
    baseline: float  # value where every time step is the mean of the training rows
    steps: dict[ModalityName, list[Step]]  # in time order; the sum of all weights is the value less `baseline` ...
    residual: float  # ... less this, which their integral missed
    task: Task = field(repr=False)
    marks: Sequence[float] | None = None  # of every value, as `Task.marks` gives them
    note: str | None = None  # what to know of Shapley values and `without`, as `note_of_training` gives it

    @property
    def unit(self) -> Unit:
        return Unit.of(self.task, self.target)

    @property
    def flips(self) -> list[ModalityName]:
        """The modalities without any one of which the decision would be another; numbers are none."""
        if self.task.kind == "values":
            return []
        return [modality for modality, verdict in self.without.items() if verdict.label != self.prediction.label]

    @property
    def value(self) -> float:
        """What the parts add up to: the value with all modalities."""
        return self.subsets[_name(list(self.shapley))]

    def said(self, verdict: Verdict) -> str:
        """A verdict in words: `anger 85.5%`, `joy; relief (anger 12.0%)`, `3.124`."""
        value = self.unit.value(verdict.value)
        if self.task.kind == "values":
            return value
        return f"{verdict.words} {value if self.task.kind == 'classes' else f'({self.target} {value})'}"

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("target", "subsets", "shapley", "baseline", "residual")}
        said, number = "emotion" if self.task.kind == "classes" else "label", self.unit.key
        steps = {
            modality: [{**asdict(s.moment), "weight": s.weight} for s in own] for modality, own in self.steps.items()
        }
        return {
            "prediction": asdict(self.prediction),
            **plain,
            "without": {modality: {said: v.label, number: v.value} for modality, v in self.without.items()},
            "flips": self.flips,
            "steps": steps,
            "note": self.note,
        }

    def __str__(self) -> str:
        """In points (hundredths of probability) or the target's unit, the weightiest steps alone."""
        unit = self.unit
        nothing = f"{unit.value(self.subsets[''])} where nothing is known of the utterance"
        lines = [f"{self.target}: {unit.value(self.value)}, and {nothing}"]
        for modality, share in self.shapley.items():
            flips = f", which {modality} alone turns" if modality in self.flips else ""
            without = self.said(self.without[modality])
            lines.append(f"  {modality}: {unit.difference(share)}{unit.points}; without it {without}{flips}")
            weighty = sorted(self.steps[modality], key=lambda step: -abs(step.weight))[:_SHOWN]
            lines.append("    " + ", ".join(f"{s.moment.label} {unit.difference(s.weight)}" for s in weighty))
        if self.note:
            lines.append(f"Note: {self.note}")
        return "\n".join(lines)


def explain(
    network: Network,
    card: Card,
    utterance: Utterance,
    features: FeatureSet,
    device: str = "cpu",
    among: Sequence[Utterance] | None = None,
    target: str | None = None,
) -> Explanation:
    """Take the prediction for one utterance apart, by its modalities and over time.

    card: its settings are those that `features` were read with, and so is `among` what `extract` was given. target: a
    class or target of the task; None: the likeliest class, of targets the first.
    Raises InputError for an utterance without a modality, a target that the task does not have, and where
    `predict_utterances` or `find_time_spans` does.
    """
    task = card.task
    if target is not None and target not in task.names:
        raise InputError(f"target {shown(target)}: this model has none of this name; give {', '.join(task.names)}.")
    (prediction,) = predict_utterances(network, card, [utterance], features, 1, device)
    if prediction.label is None:
        raise InputError(f"{utterance.id}: there is nothing to explain: {prediction.error}.")
    target = target or task.explained(prediction.values)
    column, answer = task.names.index(target), answers_of(network, task)
    vectors, masks = read_vectors(network, utterance.id, features, device)
    left = {"": card.prior, **answers_of_subsets(answer, vectors, masks)}
    subsets = {name: values[column] for name, values in left.items()}
    without = {}
    for modality in vectors:
        values = left[_name([other for other in vectors if other != modality])]
        label, confidence = task.decide(values, card.calibration)
        without[modality] = Verdict(label, values[column] if confidence is None else confidence)
    over_time = attribute(answer, vectors, masks, column, Unit.of(task, target).span)
    steps = {}
    for modality, mask in masks.items():
        moments = MODALITIES[modality].find_time_spans(
            utterance, int(mask.sum()), card.config.features[modality], among, modality in card.config.live
        )
        steps[modality] = _steps(moments, over_time.weights[modality].tolist())
    return Explanation(
        prediction, target, subsets, shapley(list(vectors), subsets), without, over_time.baseline, steps,
        over_time.residual, task, task.marks(card.calibration), note_of_training(card.config),
    )  # fmt: skip


def note_of_training(config: Config) -> str | None:
    """What to know of answers with a modality taken away; None: the model was trained for them."""
    is_untrained = len(config.modalities) > 1 and config.training.modality_dropout == 0
    return _UNTRAINED if is_untrained else None


def shapley(modalities: Sequence[ModalityName], worth: Mapping[str, Any]) -> dict[ModalityName, Any]:
    """Each modality's share of worth[all] - worth[""], which they add up to.

    worth: of every subset, "" and "text+video" and so on, in the order of `modalities`; numbers, or arrays of them.
    Shapley (1953), "A value for n-person games": sum over the subsets S without i of
    |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)), where the factor is 1 / (n (n - 1 over |S|)).
    """
    n = len(modalities)
    shares: dict[ModalityName, Any] = {}
    for modality in modalities:
        others = [other for other in modalities if other != modality]
        shares[modality] = sum(
            (worth[_name([c for c in modalities if c in (*subset, modality)])] - worth[_name(subset)])
            / (n * comb(n - 1, size))
            for size in range(n)
            for subset in combinations(others, size)
        )
    return shares


@torch.no_grad()
def answers_of_subsets(answer: Answer, vectors: Tensors, masks: Tensors) -> dict[str, list[float]]:
    """The values of the answer with each subset of one utterance's modalities that is not empty, in one batch."""
    modalities = list(vectors)
    subsets = [subset for size in range(1, len(modalities) + 1) for subset in combinations(modalities, size)]
    present: dict[ModalityName, torch.Tensor] = {}
    left: dict[ModalityName, torch.Tensor] = {}
    for modality in modalities:
        kept = torch.tensor([[modality in subset] for subset in subsets], device=masks[modality].device)
        left[modality] = masks[modality] & kept
        present[modality] = torch.where(left[modality].unsqueeze(-1), vectors[modality], 0.0)
    rows = answer(present, left).tolist()
    return {_name(subset): row for subset, row in zip(subsets, rows, strict=True)}


def _steps(moments: Sequence[Moment], weights: Sequence[float]) -> list[Step]:
    """Each moment with the sum of the weights of its time steps."""
    steps, at = [], 0
    for moment in moments:
        steps.append(Step(moment, sum(weights[at : at + moment.steps])))
        at += moment.steps
    return steps


def _name(modalities: Sequence[ModalityName]) -> str:
    return "+".join(modalities)
