"""What the audit says of label sets, real values and votes: shares, shifts, conflicts, and what noise would score."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from tricue.audit import noise_probe as probe
from tricue.audit.audit import NOTHING_LONG, Audit, audit
from tricue.cli import app
from tricue.config.load import build_config
from tricue.types import Label, Utterance

SETS = [("anger",), ("joy",), ("anger", "sadness"), ()]
PROBE = NOTHING_LONG.model_copy(update={"probe": True})


def splits_of(labels: dict[str, list[Any]]) -> dict[str, list[Utterance]]:
    return {
        split: [
            Utterance(f"{split}{i}", f"{split} says these five words {i}", label=label, speaker=f"{split}-s{i % 5}")
            for i, label in enumerate(own)
        ]
        for split, own in labels.items()
    }


def audited(splits: dict[str, list[Utterance]], task: dict[str, Any], looks: Any = NOTHING_LONG) -> Audit:
    return audit(splits, looks, "made up", build_config({"task": task}, {}, "a test"), progress=False)


def of(found: Audit, name: str) -> Any:
    return next(check for check in found.checks if check.name == name)


MULTILABEL: dict[str, Any] = {"name": "multilabel"}
VALENCE: dict[str, Any] = {"name": "dimensional", "targets": ["valence", "arousal"]}


def test_label_sets_have_shares_of_their_classes() -> None:
    splits = splits_of({"train": SETS * 10, "test": [("anger",), ("joy",), ()] * 10})
    check = of(audited(splits, MULTILABEL), "classes")
    assert check.details["train"] == {"anger": 20, "joy": 10, "sadness": 10}
    assert check.verdict == "warn" and "test has no sadness" in check.found
    assert "differs" in check.found and "by 25 points" in check.found  # 1/2 1/4 1/4 against 1/2 1/2 0


def test_the_order_of_a_set_is_no_conflict_and_no_class_is_a_label() -> None:
    splits = splits_of({"train": [("anger", "joy"), ("joy", "anger"), ("joy",), ()]})
    same = "these are the same five words"
    rows = [replace(row, text=same) for row in splits["train"]]
    assert of(audited({"train": rows[:2]}, MULTILABEL), "conflicts").verdict == "pass"
    for pair in ([rows[0], rows[2]], [rows[2], rows[3]]):
        assert of(audited({"train": pair}, MULTILABEL), "conflicts").found == "1 texts with several labels"


def values(n: int, seed: int, shift: float = 0.0) -> list[Label]:
    return [tuple(row) for row in np.random.default_rng(seed).normal([3 + shift, 3], 1, (n, 2)).round(3).tolist()]


def test_targets_are_compared_by_mean_and_range() -> None:
    train = values(300, 0)
    found = audited(splits_of({"train": train, "val": values(300, 1), "test": values(300, 2, 1.0)}), VALENCE)
    check = of(found, "targets")
    truth, other = np.array(train), np.array(values(300, 2, 1.0))
    assert check.details["train"]["arousal"] == pytest.approx({
        "mean": truth[:, 1].mean(), "deviation": truth[:, 1].std(), "lowest": truth[:, 1].min(),
        "highest": truth[:, 1].max(),
    })  # fmt: skip
    shift = (other[:, 0].mean() - truth[:, 0].mean()) / truth[:, 0].std()
    assert check.verdict == "warn" and f"the mean valence of test is {shift:+.1f} deviations" in check.found
    assert "arousal of test" not in check.found and "of val" not in check.found
    assert "classes" not in {own.name for own in found.checks}
    wide = [*values(95, 3), *[(9.0, 3.0)] * 5]
    assert (
        "5.0% of val have a valence outside"
        in of(audited(splits_of({"train": train, "val": wide}), VALENCE), "targets").found
    )


def test_rows_of_precomputed_features_lack_no_modality() -> None:
    rows = {split: [replace(row, text=None) for row in own] for split, own in splits_of({"train": SETS}).items()}
    assert "modalities" not in {check.name for check in audited(rows, MULTILABEL).checks}


def test_identical_items_with_other_values_are_a_conflict() -> None:
    splits = splits_of({"train": [(1.0, 2.0), (1.0, 2.0), (1.5, 2.0)]})
    rows = [replace(row, text="these are the same five words") for row in splits["train"]]
    assert of(audited({"train": rows[:2]}, VALENCE), "conflicts").verdict == "pass"
    assert of(audited({"train": rows}, VALENCE), "conflicts").verdict == "warn"


def test_votes_are_compared_by_their_majority() -> None:
    task = {"votes": ["votes_anger", "votes_joy"]}
    splits = splits_of({"train": [(3.0, 1.0), (4.0, 0.0), (0.0, 5.0)], "test": [(1.0, 0.0)]})
    found = audited(splits, task)
    assert of(found, "classes").details == {"train": {"anger": 2, "joy": 1}, "test": {"anger": 1}}
    rows = [replace(row, text="these are the same five words") for row in splits["train"]]
    assert of(audited({"train": rows[:2]}, task), "conflicts").verdict == "pass"
    assert of(audited({"train": rows}, task), "conflicts").verdict == "warn"


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "DRAWS", 4)
    monkeypatch.setattr(probe, "SHUFFLES", 12)


def test_noise_recognises_copies_of_every_kind_of_label(few_draws: None) -> None:
    rng = np.random.default_rng(0)
    for task, labels in ((VALENCE, values(200, 4)), (MULTILABEL, [SETS[i] for i in rng.integers(0, 4, 200)])):
        clean = splits_of({"train": labels[:150], "test": labels[150:]})
        clean = {split: [replace(row, speaker=None) for row in own] for split, own in clean.items()}
        passed = audited(clean, task, PROBE)
        assert of(passed, "noise: items").verdict == "pass"
        copied = {"train": clean["train"], "test": [replace(row, id=f"c{row.id}") for row in clean["train"][:50]]}
        caught = audited(copied, task, PROBE)
        assert of(caught, "noise: items").verdict == "fail"
        assert ("the thirds of each target" in of(caught, "noise: items").found) == (task is VALENCE)


def test_the_probe_of_several_targets_averages_scikit_learn(few_draws: None) -> None:
    rng = np.random.default_rng(1)
    truth, guesses = rng.integers(0, 3, (200, 4)), rng.integers(0, 3, (200, 4))
    each = [f1_score(truth[:, k], guesses[:, k], average="weighted", zero_division=0) for k in range(4)]
    assert probe._weighted_f1(truth, guesses.astype(float)) == pytest.approx(np.mean(each))
    in_train = np.arange(200) < 150
    one, same = (probe.noise_probe(np.arange(200), labels, in_train, 0) for labels in (truth[:, 0], truth[:, :1]))
    assert [score.score for score in one] == pytest.approx([score.score for score in same])


@pytest.mark.parametrize(
    ("flags", "column", "cells"),
    [
        (["--task", "multilabel"], "emotions", ["anger;joy", "joy", "none"]),
        (["--task", "dimensional", "--targets", "valence"], "valence", ["1.5", "2.5", "4"]),
    ],
)
def test_the_command_audits_every_task(tmp_path: Path, flags: list[str], column: str, cells: list[str]) -> None:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", column, "split"])
        for split in ("train", "val"):
            writer.writerows([f"{split}{i}", f"word {split} {i}", cells[i % 3], split] for i in range(12))
    call = ["audit", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out"), "--fast", "--quiet", *flags]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    checks = {check["name"] for check in json.loads((tmp_path / "out" / "audit.json").read_text())["checks"]}
    assert ("targets" if column == "valence" else "classes") in checks
