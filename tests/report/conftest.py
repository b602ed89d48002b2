"""A small run of three phases on sentences, and readings made up of given probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tricue.calibration import expected_calibration_error, uncalibrated
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
    """A reading of made-up answers: labels (N,) and probabilities (N, C). answered (N,): of rows that have a cue."""

    def make(
        labels: np.ndarray,
        probabilities: np.ndarray,
        phase: int = 1,
        answered: np.ndarray | None = None,
        temperature: float = 1.0,
        emotions: list[str] | None = None,
    ) -> Reading:
        n = len(labels)
        names = emotions or [*EMOTIONS, "fear", "calm", "odd"][: probabilities.shape[1]]
        has = np.ones(n, bool) if answered is None else answered
        plain = uncalibrated(probabilities[has], temperature)  # `evaluate` leaves these rows out, too
        before = expected_calibration_error(plain, labels[has]) if has.any() else None
        answers = SimpleNamespace(
            card=SimpleNamespace(emotions=names), probabilities=probabilities,
            utterances=[Utterance(f"u{i}") for i in range(n)],
            predictions=[SimpleNamespace(emotion="said" if one else None) for one in has],
            metrics={"calibration": {"temperature": temperature, "ece_uncalibrated": before}},
        )  # fmt: skip
        change, flips = np.full(n, 0.25)[has], (np.arange(n) < n // 4)[has]
        return Reading(phase, None, answers, labels, change, flips, {"text": 0.12}, [])  # type: ignore[arg-type]

    return make
