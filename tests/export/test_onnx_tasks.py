"""One file for each task: its answers are PyTorch's, and it says how another program makes answers of its logits."""

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.export.onnx import _describe, export_onnx
from tricue.export.onnx_network import OnnxNetwork
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.predictions import predict_utterances
from tricue.types import ModalityName, Utterance

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (6,), "audio": (5, 3)}
NAMES = ["first", "second", "third"]
SCALES = {"first": [3.0, 0.5, 1.2, 4.6], "second": [40.0, 12.0, 0.0, 100.0], "third": [-0.2, 1.1, -3.0, 3.0]}
TASKS: dict[str, dict[str, Any]] = {
    "categorical": {"data.emotions": NAMES},
    "multilabel": {"data.emotions": NAMES},
    "dimensional": {"task.targets": NAMES, "task.scales": SCALES, "task.ranges": {"third": [-3.0, 3.0]}},
}
CALIBRATIONS: dict[str, dict[str, Any]] = {
    "categorical": {"temperature": 1.7},
    "multilabel": {"thresholds": [0.3, 0.6, 0.9]},
    "dimensional": {"scale": [1.2, 0.8, 1.0], "shift": [0.1, -2.0, 0.0]},
}


def card(task: str) -> Card:
    given = {f"features.{modality}.precomputed": "any.npz" for modality in DIMS}
    settings = {"task.name": task, "modalities": list(DIMS), "model.width": 16, "model.bilstm_heads": 2}
    config = load_config(None, settings | {"model.bilstm_layers": 1} | given | TASKS[task])
    return Card(config, NAMES, DIMS, [0.3, 0.3, 0.4], calibration=CALIBRATIONS[task], weights_sha256="ab" * 32)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    made = Network.from_config(card("categorical").config, DIMS, len(NAMES)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return made


@pytest.fixture(scope="module")
def opened(network: Network, tmp_path_factory: pytest.TempPathFactory) -> OnnxNetwork:
    """The network behind the encoders is the same for all tasks."""
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    export_onnx(network, card("dimensional"), list(DIMS), path)
    return OnnxNetwork(path, network)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_answers_are_those_of_pytorch_for_every_subset(network: Network, opened: OnnxNetwork, task: str) -> None:
    rng, made = np.random.default_rng(0), card(task)
    spans = np.array([high - low for low, high in map(made.task.range_of, NAMES)])
    arrays = {m: rng.normal(size=(7, 6 if m == "text" else 8)).astype(np.float32) for m in DIMS}
    met = []
    for subset in [s for n in (1, 2) for s in combinations(DIMS, n)]:
        features = FeatureSet({m: {"u": arrays[m]} if m in subset else {} for m in DIMS}, DIMS)
        torchs, onnxs = (
            predict_utterances(own, made, [Utterance("u")], features, 8, "cpu")[0] for own in (network, opened)
        )
        values = np.array([list(own.values.values()) for own in (torchs, onnxs)])
        assert (np.abs(values[1] - values[0]) <= 1e-4 * spans).all()
        assert onnxs.modalities == torchs.modalities == subset
        met.append(values[0])
    assert np.ptp(met, axis=0).max() > 1e-3  # else one answer would do


def described(task: str) -> dict[str, str]:
    """What the file says of itself."""
    model = onnx.ModelProto()
    _describe(model, card(task), list(DIMS))
    return {entry.key: entry.value for entry in model.metadata_props}


def test_the_file_says_how_values_are_made() -> None:
    """As docs/onnx.md has another program do it."""
    said = described("dimensional")
    assert said["task"] == "dimensional" and json.loads(said["emotions"]) == NAMES
    scale, shift, low, high = (np.array(json.loads(said[name])) for name in ("scale", "shift", "low", "high"))
    logits = np.array([[0.5, -9.0, 9.0], [1.0, 1.0, 1.0]])
    expected = card("dimensional").task.values(torch.from_numpy(logits), CALIBRATIONS["dimensional"]).numpy()
    np.testing.assert_allclose(np.clip(logits * scale + shift, low, high), expected, rtol=1e-12)
    np.testing.assert_allclose(expected[0], [1.2 * 3.25 + 0.1, 0.0, 3.0])  # by hand; the last two at their ends


def test_what_files_of_other_tasks_say() -> None:
    assert json.loads(described("categorical")["temperature"]) == 1.7
    assert json.loads(described("multilabel")["thresholds"]) == [0.3, 0.6, 0.9]


def test_without_a_calibration() -> None:
    found = {task: card(task).task.decoding(None) for task in TASKS}
    assert found["categorical"] == {"temperature": 1.0} and found["multilabel"] == {"thresholds": [0.5] * 3}
    assert found["dimensional"]["scale"] == [0.5, 12.0, 1.1] and found["dimensional"]["shift"][1] == 40.0
