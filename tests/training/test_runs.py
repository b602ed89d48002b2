"""Several runs under one folder: folds, seeds, the leaky protocol; what is scored, and what is refused."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import LEAKY_MARK, read_card
from tricue.config.settings import Config
from tricue.data.manifest import write_manifest
from tricue.data.table_files import read_table
from tricue.evaluation.evaluate import Evaluation
from tricue.evaluation.several_runs import evaluate_all
from tricue.features.extract import extract
from tricue.prediction.batches import training_plan
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.training import train as training_room
from tricue.training.run_directory import OtherRun
from tricue.training.runs import read_runs, train_all
from tricue.training.train import TrainResult, train
from tricue.types import InputError, Utterance

FOLDS = {"data.protocol": "kfold-speaker", "data.folds": 3}


def corpus(count: int = 60) -> list[Utterance]:
    draw = random.Random(0)
    return [
        Utterance(
            f"u{i}", text=f"row {i} {draw.choice(['yes', 'no', 'oh'])}", label="joy" if i % 4 else "anger",
            speaker=f"s{i % 6}", dialogue=f"d{i // 5}", turn=i % 5, split="train" if i < 44 else "val",
        )
        for i in range(count)
    ]  # fmt: skip


def run(
    folder: Path, config: Config, seeds: int = 1, rows: list[Utterance] | None = None, **more: Any
) -> list[TrainResult]:
    given = {"manifest": more.pop("manifest")} if "manifest" in more else {}
    place = workspace(folder, None if (folder / "rows.csv").exists() else rows or corpus(), **given)
    return train_all(config, seeds=seeds, **{"save_dir": folder / "run", "workspace": place} | more)


def measured(folder: Path, model: Path | None = None, manifest: Any = None, **choices: Any) -> Evaluation:
    place = workspace(folder, manifest=manifest or folder / "rows.csv")
    return evaluate_all(model or folder / "run", out=folder / "out", workspace=place, **choices)


def test_each_fold_is_scored_on_its_own_left_out_part(tmp_path: Path) -> None:
    results = run(tmp_path, small(FOLDS), seeds=2)
    assert len(results) == 6
    result = measured(tmp_path)
    assert sorted(u.id for u in result.utterances) == sorted(u.id for u in corpus())  # all rows, once
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(result.metrics))
    assert metrics["n"] == 60 and metrics["seeds"]["n"] == 2 and metrics["protocol"] == "kfold-speaker"
    assert list(metrics["folds"]["each"]) == ["1", "2", "3"]
    each = [fold["weighted_f1"] for fold in metrics["folds"]["each"].values()]
    assert metrics["folds"]["mean"]["weighted_f1"] == pytest.approx(np.mean(each))
    assert metrics["folds"]["std"]["weighted_f1"] == pytest.approx(np.std(each, ddof=1))
    per_seed = []
    for seed in (0, 1):
        table = [cells for _, cells in read_table(tmp_path / "out" / f"seed-{seed}" / "predictions.csv").rows]
        assert {cells["speaker"] for cells in table} == {f"s{i}" for i in range(6)}
        truth, guess = [cells["label"] for cells in table], [cells["emotion"] for cells in table]
        per_seed.append(f1_score(truth, guess, average="weighted", zero_division=0))
    assert metrics["weighted_f1"]["value"] == pytest.approx(np.mean(per_seed))


def test_no_fold_was_trained_on_what_it_is_scored_on(tmp_path: Path) -> None:
    run(tmp_path, small(FOLDS))
    tested = []
    for member in read_runs(tmp_path / "run"):
        model = tmp_path / "run" / member.folder / "best_model"
        result = measured(tmp_path, model)
        card = read_card(model)
        assert card.config.data.fold == member.fold
        assert card.audit is not None and card.audit["checks"]["speakers"]["verdict"] != "fail"
        assert result.metrics["split_role"] == f"test: {member.fold} left out"
        tested += [u.id for u in result.utterances]
    assert len(tested) == len(set(tested)) == 60
    best = max(
        (read_card(tmp_path / "run" / m.folder / "best_model") for m in read_runs(tmp_path / "run")),
        key=lambda card: card.val_score or 0,
    )
    assert read_card(tmp_path / "run" / "best_model") == best


def test_rows_that_a_fold_has_trained_on_are_never_its_test(tmp_path: Path) -> None:
    """A copy under another name with one text edited, another split column, another fold's weights to start from."""
    run(tmp_path, small(FOLDS))
    swapped = [replace(row, split="test") for row in corpus()]
    swapped[0] = replace(swapped[0], text="other words")
    write_manifest(swapped, tmp_path / "renamed.csv")
    for name in ("renamed.csv", "rows.csv"):
        write_manifest(swapped, tmp_path / name)
        with pytest.raises(InputError, match=r"The model knows .* test rows from its training, e\.g\. u"):
            measured(tmp_path, manifest=tmp_path / name)
    write_manifest(corpus(), tmp_path / "rows.csv")
    first, second = (tmp_path / "run" / f"fold-{number}" / "best_model" for number in (1, 2))
    one = small(FOLDS | {"data.fold": 2})
    with pytest.raises(InputError, match="rows of this run's test part from its training"):
        run(tmp_path, one, init_from=first, save_dir=tmp_path / "next")
    assert run(tmp_path, one, init_from=second, save_dir=tmp_path / "next")


def test_a_few_rows_that_two_corpora_number_and_say_alike_are_no_reason_to_refuse(tmp_path: Path) -> None:
    run(tmp_path, small())
    rows = [Utterance(f"u{i}", text=f"other {i}", label="joy", dialogue=f"e{i}", split="test") for i in range(200)]
    for alike, refused in ((2, False), (3, True)):
        other = [replace(row, text=corpus()[i].text) if i < alike else row for i, row in enumerate(rows)]
        write_manifest(other, tmp_path / "other.csv")
        if refused:
            with pytest.raises(InputError, match="knows 3 of 200 test rows"):
                measured(tmp_path, tmp_path / "run" / "best_model", manifest=tmp_path / "other.csv")
        else:
            result = measured(tmp_path, tmp_path / "run" / "best_model", manifest=tmp_path / "other.csv")
            assert result.metrics["known_rows"] == 2


def test_folds_on_another_corpus_count_as_runs(tmp_path: Path) -> None:
    run(tmp_path, small(FOLDS))
    other = [replace(row, id=f"v{row.id}", text=f"new {row.text}", split="test") for row in corpus(20)]
    write_manifest(other, tmp_path / "other.csv")
    metrics = measured(tmp_path, manifest=tmp_path / "other.csv").metrics
    assert metrics["n"] == 20 and metrics["seeds"]["n"] == 3 and "folds" not in metrics
    assert metrics["split_role"] == "test"
    for split in ("train", "val"):
        with pytest.raises(InputError, match=f"The {split} rows of one fold are test rows of another"):
            measured(tmp_path, split=split)


def test_how_folds_are_measured_is_the_callers_choice(tmp_path: Path) -> None:
    run(tmp_path, small(FOLDS))
    found = measured(tmp_path, overrides={"evaluation.batch_size": 7}, seed=5)
    assert found.config.evaluation.batch_size == 7 and found.config.seed == 5


def test_one_fold_by_itself_is_that_fold_of_all(tmp_path: Path) -> None:
    labels = {"s0": "fear", "s1": "anger", "s2": "anger"}
    rows = [replace(row, label=labels.get(str(row.speaker), "joy")) for row in corpus()]
    run(tmp_path / "all", small(FOLDS), rows=rows)
    for number in (1, 2, 3):
        own = run(tmp_path / str(number), small(FOLDS | {"data.fold": number}), rows=rows)[0]
        same = read_card(tmp_path / "all" / "run" / f"fold-{number}" / "best_model")
        assert own.card.emotions == ["anger", "fear", "joy"] and own.card.weights_sha256 == same.weights_sha256


def test_a_fold_without_labels_is_known_before_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [replace(row, label="calm") if row.speaker == "s0" else row for row in corpus()]
    config = small({"data.protocol": "loso", "data.mapping": {"calm": ""}})
    results = run(tmp_path, config, rows=rows)
    assert len(results) == 5 and "Fold s0 has no labelled row" in caplog.text
    assert measured(tmp_path).metrics["n"] == 50


def test_a_class_of_one_speaker_is_named_once_before_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tricue.training.runs.run_fleet", lambda calls, **_: [None] * len(calls))
    monkeypatch.setattr("tricue.training.runs._with_best", lambda group, results: results)
    rows = [replace(row, label="fear") if row.speaker == "s0" else row for row in corpus()]
    run(tmp_path, small(FOLDS), rows=rows, jobs=1)
    told = [record.getMessage() for record in caplog.records if "one speaker" in record.getMessage()]
    assert len(told) == 1 and "fear" in told[0] and "(s0)" in told[0] and """data.mapping={fear: ""}""" in told[0]
    assert sum("No training row is fear in fold" in record.getMessage() for record in caplog.records) == 1


def test_what_is_said_of_the_rows_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run(tmp_path, small(), seeds=2, jobs=1)
    of_classes = [record.getMessage() for record in caplog.records if "Classes" in record.getMessage()]
    assert of_classes == ["Classes (rows of train / val): anger 11 / 4, joy 33 / 12."]


def test_training_reads_no_word_of_the_test_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[set[str]] = []

    def seen(rows: list[Utterance], *args: Any, among: list[Utterance], **more: Any) -> Any:
        read.append({str(row.text) for row in [*rows, *among]})
        return extract(rows, *args, among=among, **more)

    monkeypatch.setattr(training_room, "extract", seen)
    (result,) = run(tmp_path, small(FOLDS | {"data.fold": "2"}))
    tested = {str(u.text) for u in measured(tmp_path, result.best_model).utterances}
    assert tested and not read[0] & tested


def test_a_finished_or_half_finished_group_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    run(tmp_path, small(), seeds=2)
    assert [result.already_done for result in run(tmp_path, small(), seeds=2)] == [True, True]
    with pytest.raises(OtherRun, match=r"holds 2 runs \(seed 0, \.\.\.\), and this is 3 runs"):
        run(tmp_path, small(), seeds=3)
    with pytest.raises(OtherRun, match="and this is a single run"):
        run(tmp_path, small())
    (tmp_path / "run" / "metrics.json").write_text("{}")  # of the runs that are deleted
    run(tmp_path, small(), restart=True)
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run" / "runs.json").exists() and not (tmp_path / "run" / "seed-0").exists()
    with pytest.raises(OtherRun, match="holds a single run, and this is 2 runs"):
        run(tmp_path, small(), seeds=2)


def test_two_runs_one_folder_what_stopped_before_its_first_weights_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single run gives way to several and several to a single one."""

    class Stopped(Exception):
        pass

    def stops(*_: Any, **__: Any) -> None:
        raise Stopped

    brief = small({"training.phase2_epochs": 0, "training.phase3_epochs": 0})
    for first, second in ((1, 2), (2, 1)):
        place = tmp_path / str(first)
        with monkeypatch.context() as patch:
            patch.setattr(training_room, "extract", stops)
            with pytest.raises(Stopped):
                run(place, brief, seeds=first)
        assert len(run(place, brief, seeds=second)) == second
        assert len(read_runs(place / "run")) == (2 if second == 2 else 0)
        assert [result.already_done for result in run(place, brief, seeds=second)] == [True] * second


def test_several_seeds_are_as_many_single_runs(tmp_path: Path) -> None:
    run(tmp_path / "all", small(), seeds=2)
    (alone,) = run(tmp_path / "one", small(seed=1))
    together = read_card(tmp_path / "all" / "run" / "seed-1" / "best_model")
    assert together.weights_sha256 == alone.card.weights_sha256
    metrics = measured(tmp_path / "all", split="val").metrics
    assert metrics["seeds"]["n"] == 2 and "folds" not in metrics


def test_leaky_is_marked_everywhere_and_never_best(tmp_path: Path) -> None:
    (result,) = run(tmp_path, small({"data.protocol": "leaky"}))
    assert result.best_model == tmp_path / "run" / "leaky_model" and result.card.leaky
    assert not (tmp_path / "run" / "best_model").exists()
    assert result.card.audit is not None and result.card.audit["verdict"] == "fail"
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert {row["mark"] for row in history} == {"LEAKY"}
    scored = measured(tmp_path, result.best_model)
    assert scored.scores == tmp_path / "out" / "leaky.json" and not (tmp_path / "out" / "metrics.json").exists()
    metrics = json.loads(scored.scores.read_text())
    assert metrics["comparable"] is False and metrics["mark"] == LEAKY_MARK and metrics["split"] == "val"
    assert LEAKY_MARK in scored.title
    notes = {cells["note"] for _, cells in read_table(tmp_path / "out" / "predictions.csv").rows}
    assert notes == {LEAKY_MARK}
    model = MultimodalEmotionRecognizer.from_pretrained(result.best_model)
    assert model.predict("oh yes").note == LEAKY_MARK
    with pytest.raises(InputError, match="was trained under the leaky protocol"):
        run(tmp_path / "next", small(), init_from=result.best_model)


def test_corpora_together_are_scored_together_and_each(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        paths.append(tmp_path / f"{name}.csv")
        write_manifest(corpus(), paths[-1])
    run(tmp_path, small(), manifest=paths)
    metrics = measured(tmp_path, tmp_path / "run" / "best_model", manifest=paths, split="val").metrics
    assert metrics["n"] == 32 and {name: m["n"] for name, m in metrics["corpora"].items()} == {"a": 16, "b": 16}
    one = measured(tmp_path, tmp_path / "run" / "best_model", manifest=paths[0], split="val").metrics
    assert one["weighted_f1"]["value"] == metrics["corpora"]["a"]["weighted_f1"]["value"]


def test_what_a_model_started_from_is_known(tmp_path: Path) -> None:
    (first,) = run(tmp_path / "a", small())
    (second,) = run(tmp_path / "b", small({"data.val_from_train": 0.2}), init_from=first.best_model)
    trained_on = second.card.trained_on
    assert trained_on is not None and trained_on["started_from"]["epochs_chosen_on"] == "the corpus's val"
    for model in (first, second):
        role = measured(tmp_path / "b", model.best_model, split="val").metrics["split_role"]
        assert role == "val: chose the epochs, so its scores are too good"


def test_the_balanced_sampler_acts_on_training_rows_alone(tmp_path: Path) -> None:
    labels = np.array([0] * 90 + [1] * 10)
    drawn = [i for batch in training_plan(np.ones(100), 16, (0, 1, 0), labels) for i in batch]
    assert len(drawn) == 100 and 35 < (labels[drawn] == 1).sum() < 65
    plain = [i for batch in training_plan(np.ones(100), 16, (0, 1, 0)) for i in batch]
    assert sorted(plain) == list(range(100))
    config = small({"training.sampler": "balanced"})
    result = train(config, save_dir=tmp_path / "run", workspace=workspace(tmp_path, corpus()))
    assert result.card.trained_on is not None
    assert result.card.trained_on["rows"] == {"train": 44, "val": 16}  # nothing is copied, val is as it was


def test_two_runs_one_folder_several_runs_replace_no_model_without_a_record(tmp_path: Path) -> None:
    kept = tmp_path / "run" / "best_model" / "weights"
    kept.parent.mkdir(parents=True)
    kept.write_text("of somebody")
    with pytest.raises(InputError, match=r"holds a single run.*--restart"):
        run(tmp_path, small(), seeds=2)
    assert kept.read_text() == "of somebody"


@pytest.mark.parametrize("content", [
    "{", '{"runs": [{"seed": 0}]}', '{"runs": []}', '{"runs": [{"seed": 0, "fold": "", "folder": ""}]}',
    '{"runs": [{"seed": 0, "fold": "", "folder": "../notes"}]}',
])  # fmt: skip
def test_a_damaged_list_of_runs_is_one_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text(content)
    with pytest.raises(InputError, match=r"runs\.json is damaged.*--restart"):
        read_runs(tmp_path)
