"""Cards of models whose answers are sets of classes, or numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.evaluation.metrics_table import number_with_interval
from tricue.export.model_card import Made, model_card

MADE = Made(half=False, onnx=False, rows=False, parameters=1)
COMMON = {
    "n": 60, "corpus": "EmoBank", "split": "test", "split_role": "test", "protocol": "official", "modalities": ["text"],
    "comparable": True, "known_rows": 0, "without_any_modality": 2,
}  # fmt: skip
SCALES = {"valence": [3.0, 0.5, 1.2, 4.6], "arousal": [3.1, 0.4, 1.0, 5.0]}


def card(settings: dict[str, Any], prior: list[float], calibration: dict[str, Any] | None = None, **told: Any) -> Card:
    config = load_config(None, {"modalities": ["text"], "features.text.encoder": "light"} | settings)
    names = list(config.task.targets or config.data.emotions)
    return Card(config, names, {"text": (8,)}, prior, calibration=calibration, **told)


def measured(made: Card, targets: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    return COMMON | made.task.score(targets, [answers], None, "row")


@pytest.fixture
def numbers() -> Card:
    calibration = {"rows": 120, "scale": [1.5, 1.0], "shift": [-1.25, 0.0], "held": None}
    settings = {"task.name": "dimensional", "task.targets": list(SCALES), "task.scales": SCALES}
    ranges = {"task.ranges": {"valence": [1.0, 5.0]}}
    return card(settings | ranges, [2.98, 3.05], calibration, val_score=0.612, val_score_name="ccc")


@pytest.fixture
def labels() -> Card:
    calibration = {"rows": 120, "thresholds": [0.25, 0.5], "held": None}
    settings = {"task.name": "multilabel", "data.emotions": ["anger", "joy"]}
    return card(settings, [0.4, 0.25], calibration, val_score=0.5, val_score_name="macro_f1")


def test_a_card_of_numbers(numbers: Card) -> None:
    rng = np.random.default_rng(0)
    targets = 3 + rng.normal(size=(60, 2))
    result = measured(numbers, targets, targets + rng.normal(size=(60, 2)) * [0.5, 2.0])
    text = model_card(numbers, ["text"], "me/mine", [result], MADE)
    for sentence in (
        "Gives numbers for one utterance from text: valence from 1 to 5, arousal from 1 to 5. Made with tricue",
        "Means of the training rows: valence 2.980, arousal 3.050.",
        f"| CCC | {number_with_interval(result['ccc'], numbers.task)} |",
        "| Target | CCC | Pearson | MAE | RMSE | Rows |\n|---|---|---|---|---|---|\n| valence |",
        "2 rows have no usable modality; they count, with the means of the training rows as their answer.",
        "\nWith 95% intervals",
        "val rows: valence 1.500 x -1.250, arousal 1.000 x +0.000.",
        "Research on how utterances come across; trying",
        "it has a CCC of 0.612: too good",
        "it is worst at arousal (CCC ",
        "- It gives a number to every input",
        "`config.json`: settings, targets, calibration",
    ):
        assert sentence in text, sentence
    for false in ("Names the emotion", "abstain", "Probabilities", "classes", "Emotion recognition"):
        assert false not in text, false
    data = ModelCard(text).data
    assert data.tags == ["regression", "text"] and "pipeline_tag" not in data.to_dict()
    assert {r.metric_type: r.metric_name for r in data.eval_results} == {"pearsonr": "Pearson", "mae": "MAE"}
    assert data.eval_results[0].task_name == "valence, arousal"


def test_a_card_of_labels(labels: Card) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.uniform(size=(60, 2)) < 0.4).astype(np.float32)
    values = np.clip(0.7 * targets + 0.3 * rng.uniform(size=(60, 2)), 0, 1)
    values[:, 1] = rng.uniform(size=60)
    result = measured(labels, targets, np.stack([values, values > 0.5], axis=-1))
    text = model_card(labels, ["text"], "me/mine", [result], MADE)
    for sentence in (
        "Names the emotions of one utterance from text: any of anger, joy, several or\nnone, with a probability",
        "Training rows that have each class: anger 40.0%, joy 25.0%.",
        f"| Macro F1 | {number_with_interval(result['macro_f1'], labels.task)} |",
        "\nIn percent, with 95% intervals",
        "The thresholds have the best F1 on 120 val rows: anger 0.25, joy 0.50.",
        "Research on emotion recognition; trying",
        "it has a macro F1 of 50.0: too good",
        "it is worst at joy (F1 ",
    ):
        assert sentence in text, sentence
    assert "abstain" not in text and "softmax" not in text
    data = ModelCard(text).data
    assert data.tags == ["emotion-recognition", "text"] and data.pipeline_tag == "text-classification"
    assert {r.metric_name for r in data.eval_results} == {"Macro F1", "Weighted F1"}


@pytest.mark.parametrize("fixture", ["numbers", "labels"])
def test_what_was_not_calibrated_is_said(request: pytest.FixtureRequest, fixture: str) -> None:
    made: Card = request.getfixturevalue(fixture)
    held = (made.calibration or {}) | {"held": "val has 24 rows"}
    text = model_card(replace(made, calibration=held), ["text"], "mine", [], MADE)
    assert f"{made.task.held_words}: val has 24 rows." in text
    assert "fitted" in model_card(replace(made, calibration=None), ["text"], "mine", [], MADE)
