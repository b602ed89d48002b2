"""A small run of three phases on sentences, and readings made up of given probabilities."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.small_runs import MOODS, sentences, small, workspace

from tricue.figures.page_parts import Answers
from tricue.report.readings import Reading
from tricue.training.train import train
from tricue.types import Utterance


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows.csv, store/ and a finished run in checkpoints/."""
    place = tmp_path_factory.mktemp("report")
    config = small({
        "model.bilstm_heads": 2, "model.bilstm_layers": 2, "training.phase1_epochs": 2, "training.phase2_epochs": 2,
        "data.emotions": list(MOODS),
    })  # fmt: skip
    train(config, save_dir=place / "checkpoints", workspace=workspace(place, sentences()))
    return place


@pytest.fixture
def make_reading(make_answers: Callable[..., Answers]) -> Callable[..., Reading]:
    """A reading of made-up answers, as `make_answers` takes them."""

    def make(labels: np.ndarray, probabilities: np.ndarray, phase: int = 1, **more: Any) -> Reading:
        answers = make_answers(labels, probabilities, phase, **more)
        n, has = len(labels), answers.answered
        evaluation = SimpleNamespace(utterances=[Utterance(f"u{i}") for i in range(n)], metrics={})
        change, flips = np.full(n, 0.25)[has], (np.arange(n) < n // 4)[has]
        return Reading(phase, None, evaluation, answers, change, flips, [])  # type: ignore[arg-type]

    return make
