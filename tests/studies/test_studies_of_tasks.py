"""ablate, robustness and compare on models of every task: the headline number stands where weighted F1 does."""

import json
from pathlib import Path
from typing import Any

import pytest

from tricue.config.load import load_config
from tricue.data.labels import Labels
from tricue.data.manifest import write_manifest
from tricue.evaluation.evaluate import measure
from tricue.evaluation.metrics_table import as_text
from tricue.studies.ablation import ablate
from tricue.studies.comparison_table import comparison_table
from tricue.studies.robustness import measure_robustness, robustness_table
from tricue.tasks.task import make_task
from tricue.training.workspace import Workspace
from tricue.types import Label, Utterance

WORDS = ("you fool", "how nice", "oh no", "well well")
OF_TASK: dict[str, tuple[dict[str, Any], list[Label]]] = {
    "multilabel": ({"task.name": "multilabel"}, [("anger",), ("joy",), ("anger", "sadness"), ()]),
    "dimensional": (
        {"task.name": "dimensional", "task.targets": ["valence", "arousal"]},
        [(1.5, 4.0), (4.5, 3.0), (2.0, 2.5), (3.0, 3.5)],
    ),
}


@pytest.fixture(scope="module", params=OF_TASK)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Workspace, Any]:
    """A tiny corpus of sentences, ablated: the whole method and the one of phase 1."""
    settings, labels = OF_TASK[request.param]
    place = tmp_path_factory.mktemp(request.param)
    config = load_config(None, settings | {
        "modalities": ["text"], "features.text.encoder": "light", "model.width": 16, "model.bilstm_heads": 2,
        "training.tensorboard": False, **{f"training.phase{i}_epochs": 1 for i in (1, 2, 3)},
    })  # fmt: skip
    rows = [
        Utterance(f"u{i}", f"{WORDS[i % 4]} {i}", label=labels[i % 4], dialogue=f"d{i // 2}", turn=i % 2,
                  split=("train", "train", "val", "test")[i // 24])
        for i in range(96)
    ]  # fmt: skip
    write_manifest(rows, place / "rows.csv", make_task(config).columns(Labels()))
    workspace = Workspace(store=place / "store", manifest=place / "rows.csv", device="cpu", quiet=True)
    given = {"seeds": 1, "save_dir": place / "runs", "out": place / "out", "names": ["phase-1"]}
    return place, workspace, ablate(config, workspace=workspace, **given)


def test_an_ablation_has_the_numbers_of_metrics_and_compare(done: tuple[Path, Workspace, Any]) -> None:
    place, _, (result, comparison) = done
    assert result == json.loads((place / "out" / "ablation.json").read_text())
    name = result["metric"]
    assert name == {"multilabel": "macro_f1", "dimensional": "ccc"}[result["task"]]
    for row, model in zip(result["variants"], comparison["models"], strict=True):
        metrics = json.loads((place / "out" / row["name"] / "metrics.json").read_text())
        assert row[name] == metrics[name] and metrics["headline"]["value"] == row[name]["value"]
        assert model[name] == pytest.approx(row[name]["value"], abs=1e-6)
    assert result["variants"][1]["difference"]["differences"].keys() >= {name}
    assert (place / "out" / "ablation.svg").is_file() and "phase-1" in as_text(comparison_table(comparison))


def test_robustness_measures_the_headline(done: tuple[Path, Workspace, Any]) -> None:
    place, workspace, (result, _) = done
    model, name = place / "runs" / "full" / "phase3", result["metric"]
    choices = {"out": place / "robust", "workspace": workspace, "names": ["subsets", "word-errors"]}
    found = measure_robustness(model, **choices)
    own = measure(model, workspace=workspace).metrics
    assert (found["task"], found["metric"]) == (own["task"], name)
    [point] = found["subsets"]
    assert point[name]["phase 3"] == found["undamaged"]["phase 3"] == own[name]
    curve = found["kinds"]["word-errors"][name]["phase 3"]
    assert curve[0] == own[name] and len(curve) == 5
    shown = f"{100 * own[name]['value']:.1f}" if result["task"] == "multilabel" else f"{own[name]['value']:.3f}"
    assert shown in as_text(robustness_table(found)) and (place / "robust" / "robustness.svg").is_file()
