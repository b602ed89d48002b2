"""Explanations of answers that are sets of classes, or numbers: against predictions of fewer modalities."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.explain.attribution import TOLERANCE
from tricue.explain.deletion import SHARES, delete_moments
from tricue.explain.explanation import Explanation, explain
from tricue.explain.unit import Unit
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.predictions import predict_utterances
from tricue.types import InputError, ModalityName, Prediction, Utterance

DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (12,), "audio": (8, 4)}
STEPS: dict[ModalityName, int] = {"text": 6, "audio": 5}
ROW = Utterance("u0")
NEAR = 1e-5  # rows of one batch and of another
SCALES = {"valence": [3.0, 0.5, 1.2, 4.6], "arousal": [40.0, 12.0, 0.0, 100.0]}
TASKS: dict[str, dict[str, Any]] = {
    "categorical": {"data.emotions": ["anger", "joy", "fear"]},
    "multilabel": {"data.emotions": ["anger", "joy", "fear"]},
    "dimensional": {
        "task.targets": list(SCALES), "task.scales": SCALES, "task.ranges": {"valence": [1.0, 5.0]},
    },
}  # fmt: skip
PRIORS = {"categorical": [0.5, 0.3, 0.2], "multilabel": [0.4, 0.3, 0.1], "dimensional": [3.0, 40.0]}
CALIBRATIONS: dict[str, dict[str, Any]] = {
    "categorical": {"temperature": 3.0},
    "multilabel": {"thresholds": [0.05, 0.6, 0.9]},
    "dimensional": {"scale": [1.2, 0.8], "shift": [0.1, -2.0]},
}
NAMES = ["categorical", "multilabel", "dimensional"]


def model(task: str, calibration: dict[str, Any] | None = None) -> tuple[Network, Card]:
    torch.manual_seed(0)
    given = {f"features.{modality}.precomputed": "any.npz" for modality in DIMS}
    config = load_config(
        None, {"task.name": task, "modalities": list(DIMS), "model.width": 16, "model.bilstm_heads": 2} | given
        | TASKS[task],
    )  # fmt: skip
    names = TASKS[task].get("data.emotions") or TASKS[task]["task.targets"]
    network = Network.from_config(config, DIMS, len(names)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return network, Card(config, names, DIMS, PRIORS[task], calibration=calibration)


def draw(seed: int = 0, modalities: tuple[ModalityName, ...] = ("text", "audio")) -> FeatureSet:
    rng = np.random.default_rng(seed)
    arrays = {m: rng.normal(size=(STEPS[m], 12)).astype(np.float32) for m in STEPS}
    return FeatureSet({m: {ROW.id: arrays[m]} if m in modalities else {} for m in STEPS}, DIMS)


def predicted(made: tuple[Network, Card], features: FeatureSet) -> Prediction:
    (prediction,) = predict_utterances(*made, [ROW], features, 8, "cpu")
    return prediction


@pytest.fixture(params=NAMES)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_subsets_are_the_answers_of_these_modalities_before_calibration(task: str) -> None:
    plain, calibrated = model(task), model(task, CALIBRATIONS[task])
    whole = explain(*calibrated, ROW, draw())
    assert whole.prediction == predicted(calibrated, draw())
    for subset in (("text",), ("audio",), ("text", "audio")):
        alone = predicted(plain, draw(modalities=subset))
        assert whole.subsets["+".join(subset)] == pytest.approx(alone.values[whole.target], rel=NEAR)
    assert whole.subsets[""] == PRIORS[task][plain[1].task.names.index(whole.target)]
    assert whole.value == whole.subsets["text+audio"]
    assert sum(whole.shapley.values()) == pytest.approx(whole.value - whole.subsets[""], rel=1e-13)


def test_the_weights_add_up_from_the_mean_of_the_training_rows(task: str) -> None:
    made = model(task)
    features = draw(1)
    zero = replace(features, arrays={m: {ROW.id: np.zeros((STEPS[m], 12), np.float32)} for m in STEPS})
    for target in made[1].task.names:
        whole = explain(*made, ROW, features, target=target)
        span = whole.unit.span
        assert whole.baseline == pytest.approx(predicted(made, zero).values[target], rel=NEAR)
        total = sum(step.weight for steps in whole.steps.values() for step in steps)
        assert total == pytest.approx(whole.value - whole.baseline, abs=TOLERANCE * span)
        assert total + whole.residual == pytest.approx(whole.value - whole.baseline, abs=1e-6 * span)
        assert max(abs(step.weight) for steps in whole.steps.values() for step in steps) > TOLERANCE * span / 10


def test_which_value_is_explained() -> None:
    for task in NAMES:
        made = model(task)
        values = predicted(made, draw()).values
        likeliest = max(values, key=values.__getitem__)
        assert explain(*made, ROW, draw()).target == ("valence" if task == "dimensional" else likeliest)
        last = list(values)[-1]
        assert explain(*made, ROW, draw(), target=last).target == last
        with pytest.raises(InputError, match=f"target 'boredom'.*{last}"):
            explain(*made, ROW, draw(), target="boredom")


def test_flips_are_other_sets_by_the_thresholds_and_numbers_have_none() -> None:
    made = model("multilabel", CALIBRATIONS["multilabel"])
    met = set()
    for seed in range(6):
        whole = explain(*made, ROW, draw(seed))
        for modality, other in (("text", "audio"), ("audio", "text")):
            rest = predicted(made, draw(seed, (other,)))
            assert whole.without[modality].label == rest.label
            assert whole.without[modality].value == pytest.approx(rest.values[whole.target], abs=NEAR)
            assert (modality in whole.flips) == (rest.label != whole.prediction.label)
            met.add(modality in whole.flips)
    assert met == {True, False}
    assert explain(*model("dimensional"), ROW, draw()).flips == []


def test_it_can_be_written_and_read(task: str) -> None:
    whole = explain(*model(task), ROW, draw())
    found = json.loads(json.dumps(whole.to_json()))
    assert found["target"] == whole.target and found["shapley"] == whole.shapley
    said, number = {"categorical": ("emotion", "probability"), "multilabel": ("label", "probability"),
                    "dimensional": ("label", "value")}[task]  # fmt: skip
    own = whole.without["text"]
    assert found["without"]["text"] == {
        said: list(own.label) if isinstance(own.label, tuple) else own.label,
        number: own.value,
    }


def test_numbers_are_written_in_their_unit() -> None:
    whole = replace(made_up(), shapley={"text": 0.25, "audio": -0.0625}, note="hm")
    assert str(whole).splitlines() == [
        "valence: 3.188, and 3.000 where nothing is known of the utterance",
        "  text: +0.250; without it 2.500",
        "    step 1 +0.125",
        "  audio: -0.062; without it 3.500",
        "    step 1 -0.062",
        "Note: hm",
    ]


def made_up() -> Explanation:
    whole = explain(*model("dimensional"), ROW, draw())
    subsets = {"": 3.0, "text": 3.5, "audio": 2.5, "text+audio": 3.1875}
    without = {
        m: replace(v, value=subsets[o]) for (m, v), o in zip(whole.without.items(), ("audio", "text"), strict=True)
    }
    steps = {m: [replace(own[0], weight=w)] for (m, own), w in zip(whole.steps.items(), (0.125, -0.0625), strict=True)}
    return replace(whole, subsets=subsets, without=without, steps=steps)


def test_digits_follow_the_range() -> None:
    task = model("dimensional")[1].task
    assert (Unit.of(task, "valence").value(3.14159), Unit.of(task, "arousal").value(31.4159)) == ("3.142", "31.4")
    chance = Unit.of(model("multilabel")[1].task, "joy")
    assert (chance.value(0.1234), chance.difference(-0.05), chance.points) == ("12.3%", "-5.0", " points")


def test_moments_of_any_task_can_be_taken_away(task: str) -> None:
    made = model(task)
    whole = explain(*made, ROW, draw())
    curve = delete_moments(made[0], whole, draw(), "text", orders=2)
    assert curve.unit == whole.unit
    order = np.argsort([-step.weight for step in whole.steps["text"]], kind="stable")
    for share, value in zip(SHARES[:-1], curve.falling[:-1], strict=True):
        left = np.delete(draw().arrays["text"][ROW.id], order[: round(share * STEPS["text"])], axis=0)
        rest = replace(draw(), arrays=draw().arrays | {"text": {ROW.id: left}})
        assert value == pytest.approx(predicted(made, rest).values[whole.target], rel=NEAR)
    assert curve.falling[-1] == pytest.approx(whole.subsets["audio"], rel=NEAR)
