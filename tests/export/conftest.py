"""A small run on sentences with its results, models that were never trained, and a stand-in for the ONNX writer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tricue.checkpoint import Card, read_card
from tricue.config import load_config
from tricue.data.manifest import write_manifest
from tricue.evaluation.evaluate import evaluate
from tricue.features.extractors import feature_dims
from tricue.model.network import Network
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.training.train import train
from tricue.types import CUES, Utterance

EMOTIONS = ["anger", "joy", "neutral"]
SENTENCES = ("you fool, go away", "how nice of you", "the shop opens at nine")
Make = Callable[..., MultimodalEmotionRecognizer]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints/best_model and what was measured of it in test/ and val/."""
    place = tmp_path_factory.mktemp("export")
    rows = [
        Utterance(f"u{i}", f"{SENTENCES[i % 3]} {i}", emotion=EMOTIONS[(i + i % 5 // 4) % 3], dialogue=f"d{i // 2}",
                  turn=i % 2, split=("train", "train", "val", "test")[i // 24])
        for i in range(96)
    ]  # fmt: skip
    write_manifest(rows, place / "rows.csv")
    small = {
        "data.name": "GoEmotions", "modalities": ["text"], "features.text.encoder": "light", "model.width": 16,
        "model.bilstm_heads": 2, "model.bilstm_layers": 2, "training.phase1_epochs": 2, "training.phase2_epochs": 0,
        "training.phase3_epochs": 0, "training.tensorboard": False, "data.emotions": EMOTIONS,
    }  # fmt: skip
    train(load_config(None, small), save_dir=place / "checkpoints", store=place / "store",
          manifest=place / "rows.csv", device="cpu", quiet=True)  # fmt: skip
    for split in ("test", "val"):
        evaluate(place / "checkpoints/best_model", out=place / split, store=place / "store", dataset="GoEmotions",
                 manifest=place / "rows.csv", split=split, device="cpu", quiet=True)  # fmt: skip
    return place


@pytest.fixture
def trained(run: Path) -> MultimodalEmotionRecognizer:
    return MultimodalEmotionRecognizer.from_pretrained(run / "checkpoints/best_model", device="cpu")


@pytest.fixture
def card(run: Path) -> Card:
    return read_card(run / "checkpoints/best_model")


@pytest.fixture(scope="session")
def make() -> Make:
    """A model that was never trained: by settings, and by what its card says beside."""

    def made(settings: dict[str, Any], told: dict[str, Any] | None = None) -> MultimodalEmotionRecognizer:
        light = {f"features.{cue}.encoder": "light" for cue in CUES}
        config = load_config(None, light | {"modalities": ["text"], "model.width": 16} | settings)
        given = config.features.precomputed_cues()
        dims = feature_dims(config.features, [cue for cue in config.modalities if cue not in given])
        torch.manual_seed(0)
        network = Network.from_config(config, dims | dict.fromkeys(given, (12,)), len(EMOTIONS))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape))
        card = Card(config, EMOTIONS, dims | dict.fromkeys(given, (12,)), [0.5, 0.3, 0.2])
        return MultimodalEmotionRecognizer(network, replace(card, **(told or {})))

    return made


@pytest.fixture
def onnx_calls(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The cues that the ONNX writer was asked for; in its place a file is put that says so."""
    calls: list[Sequence[str]] = []

    def export_onnx(network: Network, card: Card, cues: Sequence[str], path: Path) -> None:
        calls.append(list(cues))
        path.write_bytes(b"onnx")

    monkeypatch.setitem(sys.modules, "tricue.export.onnx", SimpleNamespace(export_onnx=export_onnx))
    return calls
