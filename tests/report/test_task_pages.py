"""A page of each task, and of several runs: its own figures, its own numbers, nothing that says otherwise."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tricue.config.load import load_config
from tricue.evaluation.several_runs import evaluate_all
from tricue.report import report
from tricue.report.summary import make_pages
from tricue.training.runs import train_all
from tricue.training.workspace import Workspace

Case = tuple[dict[str, Any], str, list[str], list[str], str]
TASKS: dict[str, Case] = {  # settings, header, cells, headings of its own figures, words of its title
    "dimensional": (
        {"task.targets": ["valence", "arousal"], "task.ranges": {"valence": [-2, 2]}}, "valence,arousal",
        ["1.5,2", "-1,3.5", "0,1", "2,4"], ["Values against labels", "Error over the true value", "Residuals"], "CCC",
    ),
    "multilabel": (
        {}, "emotions", ["joy;fear", "anger", "none", "fear"],
        ["Precision and recall", "F1 of each label", "Calibration"], "macro F1",
    ),
    "categorical": (
        {"task.votes": ["votes_joy", "votes_fear"]}, "votes_joy,votes_fear", ["3,0", "1,2", "2,2", "0,1"],
        ["ROC", "Confusion matrix", "Calibration"], "weighted F1",
    ),
}  # fmt: skip


def trained(task: str, folder: Path, seeds: int = 1) -> dict[str, Any]:
    """run/ in the folder; what `make_pages` is given beside it."""
    settings, header, cells, *_ = TASKS[task]
    lines = [f"id,text,speaker,split,{header}"]
    for split in ("train", "val"):
        lines += [f"{split}{i},words {i % 4} {i},s{i % 3},{split},{cells[i % 4]}" for i in range(12)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    small = {
        "modalities": ["text"], "features.text.encoder": "light", "model.width": 16, "task.name": task,
        "model.bilstm_heads": 2, "model.bilstm_layers": 1, "training.phase1_epochs": 1, "training.phase2_epochs": 0,
        "training.phase3_epochs": 0, "training.tensorboard": False,
    }  # fmt: skip
    place = Workspace(store=folder / "store", manifest=folder / "rows.csv", device="cpu", quiet=True)
    train_all(load_config(None, small | settings), seeds=seeds, save_dir=folder / "run", workspace=place)
    return {"workspace": place, "split": "val"}


def words(page: Path) -> str:
    return html.unescape(re.sub("<[^>]*>", " ", page.read_text()))


@pytest.mark.parametrize("task", TASKS)
def test_a_page_has_the_figures_and_numbers_of_its_task(task: str, tmp_path: Path) -> None:
    given = trained(task, tmp_path)
    *_, own, headline = TASKS[task]
    page = make_pages(tmp_path / "run/best_model", out=tmp_path / "out", measured=lambda _: None, **given)
    headings = re.findall("<h2>(.*)</h2>", page.read_text())
    figures = [heading for _, _, _, of, _ in TASKS.values() for heading in of]
    assert [heading for heading in headings if heading in figures] == own
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert f"rows, val: {headline} " in words(page)
    assert len(metrics["baselines"]) == 3 and all(beside["name"] in words(page) for beside in metrics["baselines"])
    for item in metrics["per_target" if task == "dimensional" else "per_class"]:
        assert item in words(page)
    assert ("Acc-7" in words(page)) == (task == "dimensional")  # valence is from -2 to 2


def test_seeds_of_values_are_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "OF_A_RUN", ())  # the pages of the runs: tested above
    given = trained("dimensional", tmp_path, seeds=2)
    page = make_pages(tmp_path / "run", out=tmp_path / "out", measured=lambda _: None, **given)
    metrics = evaluate_all(tmp_path / "run", out=tmp_path / "numbers", **given).metrics
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == metrics
    drawn = json.loads((tmp_path / "out/report/runs.json").read_text())
    assert drawn["all runs, mean of 2"] == metrics["ccc"] and len(drawn) == 3
    assert "CCC of each run" in page.read_text() and "Val CCC" in page.read_text()
    text = words(page)
    assert f"Standard deviation of the CCC: {metrics['seeds']['std']['ccc']:.3f} over 2 seeds." in text
    assert (tmp_path / "out/report/scatter-seed-1.json").is_file() and "Residuals" in text
