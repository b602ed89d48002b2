"""Each task from a manifest to scores and predictions, on a few rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import load_checkpoint
from tricue.evaluation.evaluate import evaluate
from tricue.evaluation.metrics_table import as_text, metrics_table
from tricue.training.train import TrainResult, train
from tricue.types import InputError

TASKS: dict[str, tuple[dict[str, Any], str, list[str]]] = {  # settings, header, cells of four rows
    "dimensional": (
        {"task.targets": ["valence", "arousal"], "task.ranges": {"valence": [-2, 2]}, "task.same_distance": 1.5},
        "valence,arousal",
        ["1.5,2", "-1,3.5", "0,1", "2,4"],
    ),
    "multilabel": ({}, "emotions", ["joy;fear", "anger", "none", "fear"]),
    "categorical": (
        {"task.votes": ["votes_joy", "votes_fear"]}, "votes_joy,votes_fear", ["3,0", "1,2", "2,2", "0,1"],
    ),
}  # fmt: skip


def trained(task: str, folder: Path) -> TrainResult:
    settings, header, cells = TASKS[task]
    lines = [f"id,text,speaker,split,{header}"]
    for split in ("train", "val"):
        lines += [f"{split}{i},words {i % 4} {i},s{i % 3},{split},{cells[i % 4]}" for i in range(12)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    config = small(settings, task__name=task, training__intention_confidence=0.0)
    return train(config, save_dir=folder / "run", workspace=workspace(folder))


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_trained_scored_and_answered(task: str, tmp_path: Path) -> None:
    result = trained(task, tmp_path)
    network, card = load_checkpoint(result.best_model)
    assert card.task.name == task and network.outputs == card.task.outputs == len(card.emotions)
    assert card.val_score is not None and card.val_score_name == card.task.selected
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert len(history) == 3 and all(f"val_{card.task.selected}" in row for row in history)
    assert history[1]["train_alignment_loss"] > 0 and history[2]["train_intention_loss"] > 0
    place = workspace(tmp_path)
    found = evaluate(result.best_model, out=tmp_path / "out", split="val", workspace=place)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    name = next(iter(card.task.numbers))
    assert metrics["task"] == task and metrics["headline"] == {"name": name, **metrics[name]}
    assert set(metrics[card.task.items]) == set(card.emotions) and metrics["n"] == 12
    assert all(heading in as_text(metrics_table(metrics, found.title)) for heading in card.task.numbers.values())
    assert ("Acc-7" in as_text(metrics_table(metrics, ""))) == (task == "dimensional")  # valence is from -2 to 2
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and set(card.task.answer_columns) <= set(rows[0])
    with pytest.raises(InputError, match=f"--task {task}"):
        other = {"task.name": "ordinal"}
        evaluate(result.best_model, out=tmp_path / "other", split="val", overrides=other, workspace=place)
