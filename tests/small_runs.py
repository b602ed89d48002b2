"""Trainings that take a second: their settings, and where their rows and features lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.data.manifest import write_manifest
from tricue.training.train import TrainResult, train
from tricue.training.trainer import Trainer
from tricue.training.workspace import Workspace
from tricue.types import Utterance

SMALL: dict[str, Any] = {
    "modalities": ["text"], "features.text.encoder": "light", "model.width": 16, "training.tensorboard": False,
    "training.phase1_epochs": 1, "training.phase2_epochs": 1, "training.phase3_epochs": 1,
}  # fmt: skip
MOODS = ("anger", "joy", "neutral")
SENTENCES = ("you fool, go away", "how nice of you", "the shop opens at nine")  # one of each


def sentences() -> list[Utterance]:
    """96 rows in dialogues of two turns; every fifth is labelled otherwise than it sounds."""
    return [
        Utterance(f"u{i}", f"{SENTENCES[i % 3]} {i}", label=MOODS[(i + i % 5 // 4) % 3], dialogue=f"d{i // 2}",
                  turn=i % 2, split=("train", "train", "val", "test")[i // 24])
        for i in range(96)
    ]  # fmt: skip


def small(given: dict[str, Any] | None = None, **more: Any) -> Config:
    """One epoch a phase, words alone. given: dotted names; more: the same with __ for the dot."""
    return load_config(None, SMALL | (given or {}) | {name.replace("__", "."): own for name, own in more.items()})


def workspace(folder: Path, rows: Sequence[Utterance] | None = None, **more: Any) -> Workspace:
    """rows: written to `folder`/rows.csv first; None: that is there already."""
    folder.mkdir(exist_ok=True)
    if rows is not None:
        write_manifest(rows, folder / "rows.csv")
    place = {"store": folder / "store", "manifest": folder / "rows.csv", "device": "cpu", "quiet": True}
    return Workspace(**place | more)


class Killed(Exception):
    """The process dies here."""


def killed_and_resumed(
    config: Config, save_dir: Path, place: Workspace, batch: int, monkeypatch: pytest.MonkeyPatch
) -> TrainResult:
    """A run that dies at its `batch`th batch, and goes on from there."""
    done, train_batch = 0, Trainer._train_batch

    def dies(self: Trainer, *given: Any) -> None:
        nonlocal done
        done += 1
        if done == batch:
            raise Killed
        train_batch(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_batch", dies)
        with pytest.raises(Killed):
            train(config, save_dir=save_dir, workspace=place)
    return train(config, save_dir=save_dir, workspace=place)
