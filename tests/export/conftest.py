"""A small run on sentences with its results, models that were never trained, and a stand-in for the ONNX writer."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.small_runs import sentences, small, workspace

from tricue.checkpoint.checkpoint import Card, read_card
from tricue.evaluation.evaluate import evaluate
from tricue.model.network import Network
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.training.train import train

EMOTIONS = ["anger", "joy", "neutral"]
Make = Callable[..., MultimodalEmotionRecognizer]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints/best_model and what was measured of it in test/ and val/."""
    place = tmp_path_factory.mktemp("export")
    config = small({
        "data.name": "GoEmotions", "model.bilstm_heads": 2, "model.bilstm_layers": 2, "training.phase1_epochs": 2,
        "training.phase2_epochs": 0, "training.phase3_epochs": 0, "data.emotions": EMOTIONS,
    })  # fmt: skip
    here = workspace(place, sentences())
    train(config, save_dir=place / "checkpoints", workspace=here)
    for split in ("test", "val"):
        model = place / "checkpoints/best_model"
        evaluate(model, out=place / split, dataset="GoEmotions", split=split, workspace=here)
    return place


@pytest.fixture
def trained(run: Path) -> MultimodalEmotionRecognizer:
    return MultimodalEmotionRecognizer.from_pretrained(run / "checkpoints/best_model", device="cpu")


@pytest.fixture
def card(run: Path) -> Card:
    return read_card(run / "checkpoints/best_model")


@pytest.fixture(scope="session")
def make(untrained: Make) -> Make:
    """A model that was never trained: by settings, and by what its card says beside."""
    return lambda settings, told=None: untrained({"modalities": ["text"]} | settings, **(told or {}))


@pytest.fixture
def onnx_calls(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The modalities that the ONNX writer was asked for; in its place a file is put that says so."""
    calls: list[Sequence[str]] = []

    def export_onnx(network: Network, card: Card, modalities: Sequence[str], path: Path) -> None:
        calls.append(list(modalities))
        path.write_bytes(b"onnx")

    monkeypatch.setitem(sys.modules, "tricue.export.onnx", SimpleNamespace(export_onnx=export_onnx))
    return calls
