"""Made-up sequences that differ only in the order of their steps: the default settings learn it, averages cannot."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tricue.config.load import load_config
from tricue.evaluation.evaluate import measure
from tricue.training.train import train
from tricue.training.workspace import Workspace

pytestmark = pytest.mark.slow

ROWS = {"train": 1_000, "val": 200, "test": 400}
STEPS, DIMS, MARK = 20, 4, 5.0  # the marks in deviations of the noise


def corpus(folder: Path) -> tuple[Path, Path]:
    """A manifest and its features: noise with two marks, and the class is which of them comes first."""
    random = np.random.default_rng(0)
    splits = [split for split, count in ROWS.items() for _ in range(count)]
    values = random.normal(size=(len(splits), STEPS, DIMS)).astype(np.float32)
    places = np.array([random.choice(STEPS, size=2, replace=False) for _ in splits])
    for mark in range(2):
        values[np.arange(len(splits)), places[:, mark], mark] += MARK
    ids = [f"made-{number}" for number in range(len(splits))]
    np.savez(folder / "features.npz", id=np.array(ids), values=values)
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "emotion", "split"])
        labels = np.where(places[:, 0] < places[:, 1], "joy", "fear").tolist()
        writer.writerows(zip(ids, labels, splits, strict=True))
    return folder / "rows.csv", folder / "features.npz"


def test_order_alone_is_learnt_at_the_default_settings(tmp_path: Path) -> None:
    manifest, features = corpus(tmp_path)
    given = {"modalities": ["audio"], "features.audio.precomputed": str(features), "training.tensorboard": False}
    workspace = Workspace(store=tmp_path / "store", manifest=manifest, quiet=True)
    result = train(load_config(None, given), save_dir=tmp_path / "run", workspace=workspace)
    metrics = measure(result.best_model, split="test", workspace=workspace).metrics
    assert metrics["accuracy"]["value"] >= 0.95
    baselines = {own["name"]: own["headline"]["value"] for own in metrics["baselines"]}
    assert baselines["logistic regression"] < 0.6 and baselines["MLP"] < 0.6
