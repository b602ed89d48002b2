"""Why a model says what it says of one utterance: which cue, which words, which moments, which frames.

Every number is a difference in the probability of the predicted class, before calibration (docs/explain.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import comb
from typing import Any

import torch

from tricue.checkpoint import Card
from tricue.evaluation.attribution import Tensors, attribute, chances, read_vectors
from tricue.evaluation.predictions import predict_utterances
from tricue.features.extract import FeatureSet
from tricue.features.moments import moments_of
from tricue.model.network import Network
from tricue.types import Cue, InputError, Moment, Prediction, Utterance

_SHOWN = 5  # steps of each cue that `str` names


@dataclass(frozen=True)
class Step:
    """What a moment of a cue adds to the probability of the predicted class; below 0: it speaks against it."""

    moment: Moment
    weight: float


@dataclass(frozen=True)
class Verdict:
    """What is said without a cue."""

    emotion: str
    probability: float  # of that emotion


@dataclass(frozen=True)
class Explanation:
    """One prediction, taken apart. Probabilities without a name are those of `target`."""

    prediction: Prediction
    target: str  # the predicted class
    subsets: dict[
        str, float
    ]  # "text+audio" -> probability with these cues alone; "": its share of the training rows
    shapley: dict[Cue, float]  # their sum is the probability with all cues less that with none
    without: dict[Cue, Verdict]  # what is said when that cue is taken away
    baseline: float  # probability where every time step is the mean of the training rows
    steps: dict[
        Cue, list[Step]
    ]  # in time order; the sum of all weights is the probability less `baseline` ...
    residual: float  # ... less this, which their integral missed

    @property
    def flips(self) -> list[Cue]:
        """The cues without any one of which another emotion would be said."""
        return [cue for cue, verdict in self.without.items() if verdict.emotion != self.target]

    def to_json(self) -> dict[str, Any]:
        steps = {
            cue: [{**asdict(s.moment), "weight": s.weight} for s in own] for cue, own in self.steps.items()
        }
        return {**asdict(self), "flips": self.flips, "steps": steps}

    def __str__(self) -> str:
        """In points (hundredths of probability), the weightiest steps alone."""
        lines = [
            f"{self.target}: {100 * self.subsets[_name(list(self.shapley))]:.1f}%, and {100 * self.subsets['']:.1f}% "
            "where nothing is known of the utterance"
        ]
        for cue, share in self.shapley.items():
            other = self.without[cue]
            flips = f", which {cue} alone turns" if cue in self.flips else ""
            lines.append(
                f"  {cue}: {100 * share:+.1f} points; without it {other.emotion} {100 * other.probability:.1f}%{flips}"
            )
            weighty = sorted(self.steps[cue], key=lambda step: -abs(step.weight))[:_SHOWN]
            lines.append("    " + ", ".join(f"{s.moment.label} {100 * s.weight:+.1f}" for s in weighty))
        return "\n".join(lines)


def explain(
    network: Network,
    card: Card,
    utterance: Utterance,
    features: FeatureSet,
    device: str = "cpu",
    among: Sequence[Utterance] | None = None,
) -> Explanation:
    """Take the prediction for one utterance apart, by its cues and over time.

    card: its settings are those that `features` were read with, and so is `among` what `extract` was given.
    Raises InputError for an utterance without a cue, and where `predict_utterances` or `moments_of` does.
    """
    (prediction,) = predict_utterances(network, card, [utterance], features, 1, device)
    if prediction.emotion is None:
        raise InputError(f"{utterance.id}: there is nothing to explain: {prediction.error}.")
    target, emotions = prediction.emotion, card.emotions
    column = emotions.index(target)
    vectors, masks = read_vectors(network, utterance.id, features, device)
    cues = list(vectors)
    left = {"": card.class_shares, **chances_of_subsets(network, vectors, masks)}
    subsets = {name: shares[column] for name, shares in left.items()}
    without = {cue: left[_name([other for other in cues if other != cue])] for cue in cues}
    over_time = attribute(network, vectors, masks, column)
    lengths = {cue: int(mask.sum()) for cue, mask in masks.items()}
    config = card.config
    moments = moments_of(utterance, lengths, config.features, among, config.finetunes_text)
    return Explanation(
        prediction,
        target,
        subsets,
        shapley(cues, subsets),
        {cue: _verdict(shares, emotions) for cue, shares in without.items()},
        over_time.baseline,
        {cue: _steps(moments[cue], over_time.weights[cue].tolist()) for cue in cues},
        over_time.residual,
    )


def shapley(cues: Sequence[Cue], worth: Mapping[str, float]) -> dict[Cue, float]:
    """Each cue's share of worth[all] - worth[""], which they add up to.

    worth: of every subset, "" and "text+video" and so on, in the order of `cues`. Shapley (1953), "A value for
    n-person games": sum over the subsets S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)), where the factor
    is 1 / (n (n - 1 over |S|)).
    """
    n = len(cues)
    shares: dict[Cue, float] = {}
    for cue in cues:
        others = [other for other in cues if other != cue]
        shares[cue] = sum(
            (worth[_name([c for c in cues if c in (*subset, cue)])] - worth[_name(subset)])
            / (n * comb(n - 1, size))
            for size in range(n)
            for subset in combinations(others, size)
        )
    return shares


@torch.no_grad()
def chances_of_subsets(network: Network, vectors: Tensors, masks: Tensors) -> dict[str, list[float]]:
    """Probabilities of the classes with each subset of one utterance's cues that is not empty, in one batch."""
    cues = list(vectors)
    subsets = [subset for size in range(1, len(cues) + 1) for subset in combinations(cues, size)]
    shown: dict[Cue, torch.Tensor] = {}
    left: dict[Cue, torch.Tensor] = {}
    for cue in cues:
        kept = torch.tensor([[cue in subset] for subset in subsets], device=masks[cue].device)
        left[cue] = masks[cue] & kept
        shown[cue] = torch.where(left[cue].unsqueeze(-1), vectors[cue], 0.0)
    rows = chances(network, shown, left).tolist()
    return {_name(subset): row for subset, row in zip(subsets, rows, strict=True)}


def _steps(moments: Sequence[Moment], weights: Sequence[float]) -> list[Step]:
    """Each moment with the sum of the weights of its time steps."""
    steps, at = [], 0
    for moment in moments:
        steps.append(Step(moment, sum(weights[at : at + moment.steps])))
        at += moment.steps
    return steps


def _verdict(shares: Sequence[float], emotions: Sequence[str]) -> Verdict:
    best = max(range(len(shares)), key=shares.__getitem__)
    return Verdict(emotions[best], shares[best])


def _name(cues: Sequence[Cue]) -> str:
    return "+".join(cues)
