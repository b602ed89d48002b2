"""Several runs (seeds, folds): a page for each, and one that sums them up."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.small_runs import small, workspace

from tricue.evaluation.evaluate import Evaluation, measure
from tricue.evaluation.several_runs import evaluate_all
from tricue.report import summary
from tricue.report.report import make_report
from tricue.report.summary import make_pages
from tricue.training.runs import train_all
from tricue.types import Utterance

EMOTIONS = ("anger", "joy")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """rows.csv, store/, and in run/ two seeds of two folds each."""
    folder = tmp_path_factory.mktemp("summary")
    rows = [
        Utterance(f"u{i}", f"{('you fool', 'how nice')[i % 2]} {i}", label=EMOTIONS[(i + i // 7) % 2],
                  speaker=f"s{i // 4}", dialogue=f"d{i // 2}")
        for i in range(48)
    ]  # fmt: skip
    config = small({
        "model.bilstm_heads": 2, "model.bilstm_layers": 1, "training.phase2_epochs": 0, "training.phase3_epochs": 0,
        "data.protocol": "kfold-speaker", "data.folds": 2,
    })  # fmt: skip
    train_all(config, seeds=2, save_dir=folder / "run", workspace=workspace(folder, rows))
    return folder


def given(place: Path) -> dict[str, Any]:
    return {"workspace": workspace(place)}


FOLDERS = [f"seed-{seed}/fold-{fold}" for seed in (0, 1) for fold in (1, 2)]


def test_the_summary_shows_every_run_and_leads_to_its_page(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str]] = []

    def report_run(model: Path, *, out: Path, points: int | None, **choices: Any) -> tuple[Evaluation, Path]:
        made.append((str(model), str(out.relative_to(tmp_path))))
        return measure(model, **choices), out

    monkeypatch.setattr(summary, "report_run", report_run)
    page = make_pages(place / "run", out=tmp_path, **given(place))
    assert made == [(str(place / "run" / name / "best_model"), name) for name in FOLDERS]
    text = page.read_text()
    links = [link for link in re.findall('href="([^"#]*)"', text) if not link.startswith("data:")]
    assert links == [f"{name}/report.html" for name in FOLDERS]
    assert "not drawn" not in text and "http" not in text.replace("http://www.w3.org", "")
    metrics = evaluate_all(place / "run", out=tmp_path / "numbers", **given(place)).metrics
    words = html.unescape(re.sub("<[^>]*>", " ", text))
    for name in ("weighted_f1", "accuracy", "macro_f1", "uar"):
        assert f"{100 * metrics[name]['value']:.1f}" in words
    for words_of in ("seed 0, fold 1", "seed 1, fold 2", "all folds together, mean of 2", "over 2 seeds"):
        assert words_of in words
    counts = [json.loads((tmp_path / f"report/confusion-seed-{seed}.json").read_text())["counts"] for seed in (0, 1)]
    mean = [[(a + b) / 2 for a, b in zip(*rows, strict=True)] for rows in zip(*counts, strict=True)]
    assert mean == metrics["confusion"] and sum(map(sum, counts[0])) == 48
    drawn = json.loads((tmp_path / "report/runs.json").read_text())
    assert list(drawn)[-1] == "all folds together, mean of 2" and len(drawn) == 5


@pytest.mark.slow
def test_each_run_has_a_whole_page(place: Path, tmp_path: Path) -> None:
    make_pages(place / "run", out=tmp_path, points=10, **given(place))
    for name in FOLDERS:
        assert "history.json does not lie" not in (tmp_path / name / "report.html").read_text()


@pytest.mark.slow
def test_the_copy_of_the_best_run_has_the_curves_of_that_run(place: Path, tmp_path: Path) -> None:
    """Its phases and history lie with the run, not beside the copy."""
    page = make_report(place / "run" / "best_model", out=tmp_path, points=10, **given(place))
    assert "history.json does not lie" not in page.read_text() and "fold-" in page.read_text()
