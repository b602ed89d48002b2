"""`tricue robustness` as a user types it."""

import json
from pathlib import Path

import pytest
from tests.commands import tricue

from tricue.data.manifest import write_manifest
from tricue.types import Utterance


def test_robustness(working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Utterance(f"u{i}", text=f"{('you fool', 'how nice')[i % 2]} said number {i}", label=("anger", "joy")[i % 2],
                  dialogue=f"d{i // 2}", turn=i % 2, split=("train", "train", "val", "test")[i // 12])
        for i in range(48)
    ]  # fmt: skip
    write_manifest(rows, working_folder / "rows.csv")
    light = ["--set", "features.text.encoder=light", "--set", "model.width=16", "--set", "training.tensorboard=false"]
    assert tricue("train", "--manifest", "rows.csv", "--modalities", "text", "--epochs", 3, "--quiet", *light) == 0
    capsys.readouterr()
    wanted = ["--kinds", "subsets,blur,word-errors", "--manifest", "rows.csv", "--seed", 3, "--quiet"]
    assert tricue("robustness", *wanted) == 0
    said = capsys.readouterr().out
    assert "word-errors: word error rate, %" in said and "  40" in said
    assert "blur left out: the model does not read video" in said
    assert said.rstrip().endswith("Results: results/robustness/robustness.json, results/robustness/robustness.svg")
    found = json.loads((working_folder / "results/robustness/robustness.json").read_text())
    assert list(found["models"]) == ["phase 1", "phase 2", "phase 3"] and found["seed"] == 3
    assert (working_folder / "results/robustness/robustness.png").is_file()
    assert tricue("robustness", "--manifest", "rows.csv", "--kinds", "fog") == 2
    assert "--kinds fog: there are subsets, noise, blur" in capsys.readouterr().err
    assert tricue("robustness", "--model_path", "elsewhere", "--manifest", "rows.csv") == 2
