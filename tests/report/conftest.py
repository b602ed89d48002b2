"""A small run of three phases on sentences, and readings made up of given probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tricue.config import load_config
from tricue.data.manifest import write_manifest
from tricue.report.readings import Reading
from tricue.training.train import train
from tricue.types import Utterance

EMOTIONS = ("anger", "joy", "neutral")
SENTENCES = ("you fool, go away", "how nice of you", "the shop opens at nine")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows.csv, store/ and a finished run in checkpoints/."""
    place = tmp_path_factory.mktemp("report")
    rows = [
        Utterance(f"u{i}", f"{SENTENCES[i % 3]} {i}", emotion=EMOTIONS[(i + i % 5 // 4) % 3], dialogue=f"d{i // 2}",
                  turn=i % 2, split=("train", "train", "val", "test")[i // 24])
        for i in range(96)
    ]  # fmt: skip
    write_manifest(rows, place / "rows.csv")
    small = {
        "modalities": ["text"], "features.text.encoder": "light", "model.width": 16, "model.bilstm_heads": 2,
        "model.bilstm_layers": 2, "training.phase1_epochs": 2, "training.phase2_epochs": 2,
        "training.phase3_epochs": 1, "training.tensorboard": False, "data.emotions": list(EMOTIONS),
    }  # fmt: skip
    train(load_config(None, small), save_dir=place / "checkpoints", store=place / "store",
          manifest=place / "rows.csv", device="cpu", quiet=True)  # fmt: skip
    return place


@pytest.fixture
def make_reading() -> Callable[..., Reading]:
    """A reading of made-up answers: labels (N,) and probabilities (N, C)."""

    def make(labels: np.ndarray, probabilities: np.ndarray, phase: int = 1) -> Reading:
        emotions = [*EMOTIONS, "fear", "calm", "odd"][: probabilities.shape[1]]
        utterances = [Utterance(f"u{i}") for i in range(len(labels))]
        answers = SimpleNamespace(
            card=SimpleNamespace(emotions=emotions), probabilities=probabilities, utterances=utterances,
            metrics={"calibration": {"temperature": 1.0, "ece_uncalibrated": 0.321}},
        )  # fmt: skip
        n = len(labels)
        return Reading(
            phase, None, answers, labels, np.full(n, 0.25), np.arange(n) < n // 4, {"text": 0.12}, []
        )  # type: ignore[arg-type]

    return make
