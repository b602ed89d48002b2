"""Baselines beside a network: their scores on its rows, the verdict, and what a reader is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score
from tests.small_runs import MOODS, sentences, small, workspace

from tricue.baseline.group_score import GroupScore
from tricue.baseline.label_probe import LabelProbe
from tricue.checkpoint.checkpoint import load_checkpoint, read_card, save_checkpoint
from tricue.data.labels import Labels
from tricue.data.manifest import write_manifest
from tricue.evaluation.baseline_scores import best_above, compare_with_baselines
from tricue.evaluation.evaluate import Evaluation, evaluate, measure
from tricue.evaluation.metrics_table import as_text, metrics_table
from tricue.evaluation.paired import Scores, compare_paired
from tricue.evaluation.several_runs import evaluate_all
from tricue.metrics.grouped_intervals import Grouping
from tricue.tasks.categorical import Categorical
from tricue.tasks.task import make_task
from tricue.training.runs import train_all
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import Label, Utterance

TASK = Categorical(("a", "b"))


def answers(right: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    targets = np.arange(200) % 2
    random = np.random.default_rng(seed).random(200) < right
    return targets, np.eye(2)[np.where(random, targets, 1 - targets)]


def test_the_difference_is_the_networks_minus_the_baselines() -> None:
    targets, network = answers(0.9, 0)
    _, weak = answers(0.6, 1)
    baselines = {"weak": [weak], "same": [network]}
    found, same = compare_with_baselines(TASK, targets, [network], baselines, None, "row")
    grouping = Grouping.of(None, "row", 200)
    one, two = (Scores.of(TASK.compared(targets, [own], grouping), grouping) for own in (weak, network))
    expected = compare_paired(one, two, ["weighted_f1"])
    assert found["difference"] == expected.differences["weighted_f1"] and found["p"] == expected.p
    scores = [f1_score(targets, own.argmax(axis=1), average="weighted") for own in (network, weak)]
    assert found["difference"]["value"] == pytest.approx(scores[0] - scores[1])
    assert found["headline"]["name"] == "weighted_f1" and found["headline"]["value"] == pytest.approx(scores[1])
    assert (found["verdict"], same["verdict"]) == ("better", "no difference shown")
    assert same["difference"]["value"] == 0


def test_only_the_best_baseline_above_the_network_is_named() -> None:
    def row(name: str, score: float | None) -> dict[str, Any]:
        return {"name": name, "headline": {"value": score}, "difference": {"value": score and 0.5 - score}}

    rows = [row("low", 0.4), row("high", 0.7), row("higher", 0.8), row("none", None)]
    best = best_above({"baselines": rows})
    assert best is not None and best["name"] == "higher"
    assert best_above({"baselines": rows[:1]}) is None and best_above({}) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows.csv, store/ and the model of one epoch a phase in run/: its logistic regression is better."""
    place = tmp_path_factory.mktemp("beside")
    train(small(), save_dir=place / "run", workspace=workspace(place, sentences()))
    return place


def measured(place: Path, model: Path | None = None, **more: Any) -> Evaluation:
    return measure(model or place / "run" / "best_model", workspace=workspace(place), **more)


def test_a_model_below_its_baseline_is_told_so_in_one_line(run: Path) -> None:
    found = evaluate(run / "run" / "best_model", out=run / "out", workspace=workspace(run))
    metrics = json.loads((run / "out" / "metrics.json").read_text())
    assert [own["name"] for own in metrics["baselines"]] == ["most frequent class", "logistic regression", "MLP"]
    assert metrics["baselines"] == json.loads(json.dumps(found.metrics["baselines"]))
    text = as_text(metrics_table(metrics, found.title), width=80)
    best = max(metrics["baselines"], key=lambda own: own["headline"]["value"])
    told = (
        f"{100 * metrics['headline']['value']:.1f} against {100 * best['headline']['value']:.1f} of the {best['name']}"
    )
    assert f"below a baseline: {told}" in " ".join(text.split()) and "docs/protocols.md#baselines" in text
    assert max(map(len, text.splitlines())) <= 80
    own = {p.id: p for p in found.predictions}
    truth = [MOODS.index(str(u.label)) for u in found.utterances]
    guesses = [MOODS.index(str(own[u.id].label)) for u in found.utterances]
    own_score = f1_score(truth, guesses, average="weighted")
    for row, values in zip(metrics["baselines"], found.baselines.values(), strict=True):
        score = f1_score(truth, values.argmax(axis=1), average="weighted")
        assert row["difference"]["value"] == pytest.approx(own_score - score)


def test_without_baselines_one_line_says_why(run: Path, tmp_path: Path) -> None:
    network, card = load_checkpoint(run / "run" / "best_model")
    save_checkpoint(tmp_path / "old", network, replace(card, baselines=None))
    found = measured(run, tmp_path / "old")
    (line,) = [
        line for line in as_text(metrics_table(found.metrics, "x"), width=300).splitlines() if "Baselines" in line
    ]
    assert "earlier version" in line and "evaluation.baseline=false" in line and found.metrics["baselines"] == []


def test_they_are_left_out_where_nobody_wants_them(run: Path, tmp_path: Path) -> None:
    assert "baselines" not in measured(run, overrides={"evaluation.baseline": False}).metrics
    train(small(evaluation__baseline=False), save_dir=tmp_path / "run", workspace=workspace(run))
    assert read_card(tmp_path / "run" / "best_model").baselines is None


def test_a_phase_has_the_baselines_of_its_run(run: Path) -> None:
    cards = [read_card(run / "run" / name) for name in ("phase1", "best_model")]
    assert cards[0].baselines is not None and cards[1].baselines is not None
    for one, two in zip(cards[0].baselines.models, cards[1].baselines.models, strict=True):
        np.testing.assert_array_equal(one.layers[0][0], two.layers[0][0])


def test_the_same_training_gives_the_same_baselines(run: Path, tmp_path: Path) -> None:
    train(small(), save_dir=tmp_path / "run", workspace=workspace(run))
    digests = [read_json_field(folder / "run", "baseline")["sha256"] for folder in (run, tmp_path)]
    assert digests[0] == digests[1]


def read_json_field(folder: Path, name: str) -> Any:
    return json.loads((folder / "best_model" / "config.json").read_text())[name]


def test_the_label_probe_is_of_the_corpus_of_the_training_alone(run: Path) -> None:
    found = measured(run).metrics["label_probe"]
    assert found["scored"]["groups"] == 12 and found["left_out"]["groups"] == 24 and not found["suspect"]
    assert measured(run, split="train").metrics["label_probe"] is None
    manifest = run / "elsewhere.csv"
    manifest.write_text((run / "rows.csv").read_text())
    elsewhere = measure(run / "run" / "best_model", workspace=workspace(run, manifest=manifest))
    assert elsewhere.metrics["label_probe"] is None and elsewhere.metrics["baselines"]


def test_suspect_features_are_warned_of_with_both_numbers(run: Path) -> None:
    probe = LabelProbe(GroupScore(0.987, 0.004, 62, "dialogue"), GroupScore(0.757, 0.017, 31, "dialogue"))
    assert probe.is_suspect and LabelProbe.from_json(probe.as_json()) == probe
    text = " ".join(as_text(metrics_table(measured(run).metrics | {"label_probe": probe.as_json()}, "x")).split())
    assert "WARNING: weighted F1 of a linear model is 98.7 on left-out training dialogues and 75.7 on test" in text
    assert not LabelProbe(probe.left_out, GroupScore(0.95, 0.05, 4, "speaker")).is_suspect


def probe(model: Path, place: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = measure(model, workspace=place).metrics["label_probe"]
    return found


def test_folds_are_compared_on_all_their_rows(tmp_path: Path) -> None:
    rows = [replace(row, split=None, speaker=f"s{i // 16}") for i, row in enumerate(sentences())]
    config = small(data__protocol="kfold-speaker", data__folds=2, training__select="last")
    place = workspace(tmp_path, rows)
    train_all(config, save_dir=tmp_path / "run", workspace=place, seeds=1)
    found = evaluate_all(tmp_path / "run", out=tmp_path / "out", workspace=place)
    assert len(found.baselines["MLP"]) == len(found.utterances) == 96
    truth = [MOODS.index(str(u.label)) for u in found.utterances]
    score = f1_score(truth, found.baselines["logistic regression"].argmax(axis=1), average="weighted")
    assert found.metrics["baselines"][1]["headline"]["value"] == pytest.approx(score)
    probes = [probe(tmp_path / "run" / f"fold-{fold}" / "best_model", place) for fold in (1, 2)]
    assert found.metrics["label_probe"] == max(probes, key=lambda own: own["difference"]["low"])
    assert found.metrics["baselines_note"] is None


def test_a_live_text_encoder_has_no_frozen_features(tiny_bert: Path, tmp_path: Path) -> None:
    config = small({"features.text.encoder": str(tiny_bert), "model.finetune": "all"})
    place = workspace(tmp_path, sentences())
    train(config, save_dir=tmp_path / "run", workspace=place)
    found = measure(tmp_path / "run" / "best_model", workspace=place)
    assert [own["name"] for own in found.metrics["baselines"]] == ["most frequent class"]
    assert "fine-tuned" in found.metrics["baselines_note"] and found.metrics["label_probe"] is None


@pytest.mark.parametrize(("task", "least"), [("multilabel", "most frequent labels"), ("dimensional", "mean")])
def test_other_tasks_have_theirs(task: str, least: str, tmp_path: Path) -> None:
    def label(row: Utterance, number: int) -> Label:
        sets = (str(row.label), "calm") if number % 4 else ()
        return sets if task == "multilabel" else (float(MOODS.index(str(row.label))),)

    rows = [replace(row, label=label(row, i)) for i, row in enumerate(sentences())]
    config = small({"task.name": task, "task.targets": ["valence"] if task == "dimensional" else []})
    write_manifest(rows, tmp_path / "rows.csv", make_task(config).columns(Labels()))
    place = workspace(tmp_path)
    train(config, save_dir=tmp_path / "run", workspace=place)
    found = measure(tmp_path / "run" / "best_model", workspace=place)
    names = [own["name"] for own in found.metrics["baselines"]]
    assert names[0] == least and len(names) == 3
    first, second = (own["headline"]["value"] for own in found.metrics["baselines"][:2])
    assert first < second and least in as_text(metrics_table(found.metrics, "x"), width=100)
