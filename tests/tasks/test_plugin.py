"""A task that an installed package brings: named on the command line, trained, scored and answered."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).with_name("plugin")


def install(folder: Path, entry: str) -> None:
    """What pip leaves of a package of one module."""
    (folder / "tricue_ordinal.py").write_text((PLUGIN / "tricue_ordinal.py").read_text())
    told = folder / "tricue_ordinal-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: tricue-ordinal\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[tricue.tasks]\nordinal = {entry}\n")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=given, cwd=folder, capture_output=True, text=True, timeout=600)


def tricue(folder: Path, *call: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "tricue.cli", *call, "--store", str(folder / "store"), "--quiet")


EXPLAINED = """
import json
from tricue import MultimodalEmotionRecognizer

model = MultimodalEmotionRecognizer.from_pretrained("run/best_model", device="cpu")
model.save_pretrained("hand", results=["out"], onnx=False)
print(json.dumps(model.explain("words 3 3").to_json()))
"""


@pytest.mark.slow
def test_a_task_of_one_file_works_everywhere(tmp_path: Path) -> None:
    install(tmp_path, "tricue_ordinal:Ordinal")
    rows = [f"{s}{i},words {i % 5} {i},{1 + i % 5},{s}" for s in ("train", "val") for i in range(15)]
    (tmp_path / "rows.csv").write_text("\n".join(["id,text,stars,split", *rows]) + "\n")
    settings = ["modalities=[text]", "features.text.encoder=light", "model.width=16", "training.tensorboard=false"]
    flags = [part for setting in settings for part in ("--set", setting)]
    done = tricue(
        tmp_path, "train", "--manifest", "rows.csv", "--task", "ordinal", "--epochs", "3", "--save_dir", "run", *flags
    )
    assert done.returncode == 0, done.stderr
    done = tricue(
        tmp_path, "evaluate", "--model_path", "run/best_model", "--manifest", "rows.csv", "--split", "val", "--out",
        "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nearness" in (tmp_path / "out" / "report.html").read_text()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["task"] == "ordinal" and metrics["headline"]["name"] == "nearness"
    assert metrics["baselines"] == [] and "on a task without them" in " ".join(done.stdout.split())
    with (tmp_path / "out" / "predictions.csv").open() as file:
        assert all(1 <= float(row["stars"]) <= 5 and row["label"] for row in csv.DictReader(file))
    ablated = [
        "ablate",
        "--manifest",
        "rows.csv",
        "--task",
        "ordinal",
        "--epochs",
        "3",
        "--seeds",
        "1",
        "--split",
        "val",
    ]
    done = tricue(tmp_path, *ablated, "--variants", "phase-1", "--save_dir", "parts", *flags)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "parts" / "results" / "ablation.json").read_text())
    assert result["metric"] == "nearness" and "Nearness, points" in done.stdout
    call = ["robustness", "--model_path", "run/best_model", "--manifest", "rows.csv", "--split", "val"]
    done = tricue(tmp_path, *call, "--kinds", "subsets", "--out", "robust")
    assert done.returncode == 0 and "Nearness: " in done.stdout, done.stderr
    done = run(tmp_path, "-c", EXPLAINED)
    assert done.returncode == 0, done.stderr
    explained = json.loads(done.stdout)
    gained = explained["subsets"]["text"] - explained["subsets"][""]
    assert explained["target"] == "stars" and explained["shapley"] == {"text": gained} and explained["flips"] == []
    assert "| Nearness |" in (card := (tmp_path / "hand" / "README.md").read_text()) and "from text: stars." in card
    (tmp_path / "rows.csv").write_text((tmp_path / "rows.csv").read_text().replace("3,val", "6,val"))
    wrong = tricue(
        tmp_path, "evaluate", "--model_path", "run/best_model", "--manifest", "rows.csv", "--split", "val", "--out",
        "out", "--no_report",
    )  # fmt: skip
    assert wrong.returncode == 2 and "column stars, '6'" in wrong.stderr


@pytest.mark.slow
def test_a_task_that_does_not_load_is_an_error_of_the_call(tmp_path: Path) -> None:
    install(tmp_path, "tricue_ordinal_gone:Ordinal")
    (tmp_path / "rows.csv").write_text("id,text,stars\na,x,1\n")
    done = tricue(tmp_path, "train", "--manifest", "rows.csv", "--task", "ordinal", "--save_dir", "run")
    assert done.returncode == 2 and "tricue-ordinal" in done.stderr and "uninstall" in done.stderr
