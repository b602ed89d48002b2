"""`tricue ablate` as a user types it."""

import json
from functools import partial
from pathlib import Path

import pytest
from tests.commands import tricue

from tricue.checkpoint.checkpoint import read_card

SMALL = [
    "--manifest", "rows.csv", "--modalities", "text", "--set", "features.text.encoder=light", "--set", "model.width=16",
    "--set", "training.tensorboard=false", "--seeds", "1", "--quiet", "--device", "cpu", "--jobs", "1",
]  # fmt: skip


@pytest.fixture
def place(working_folder: Path) -> Path:
    splits = ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    lines = [f"u{i},say {i},{('joy', 'anger')[i % 2]},{split},d{i}" for i, split in enumerate(splits)]
    (working_folder / "rows.csv").write_text("\n".join(["id,text,emotion,split,dialogue", *lines]) + "\n")
    return working_folder


ablate = partial(tricue, "ablate", *SMALL)


def test_it_trains_compares_and_says_where_the_results_lie(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate("--variants", "phase-1", "--epochs", "4", "--save_dir", "runs") == 0
    said = capsys.readouterr().out
    assert "Compared with A on" in said and "Results: runs/results/ablation.json" in said
    found = json.loads((place / "runs" / "results" / "ablation.json").read_text())
    assert [row["name"] for row in found["variants"]] == ["full", "phase-1"] and found["epochs"] == 4
    assert found["variants"][1]["settings"] == {
        "training.phase1_epochs": 4, "training.phase2_epochs": 0, "training.phase3_epochs": 0,
    }  # fmt: skip


def test_variants_that_kept_the_same_weights_are_told_as_such(
    place: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs between them comes after phase 1, and no later epoch was better on val than those."""
    monkeypatch.setenv("COLUMNS", "80")
    caplog.set_level("INFO")
    variants = "no-counterfactual,no-intention"
    assert ablate("--variants", variants, "--epochs", "3", "--save_dir", "runs", "--set", "training.rate=1e-6") == 0
    said = capsys.readouterr().out
    found = json.loads((place / "runs" / "results" / "ablation.json").read_text())["variants"]
    digests = [read_card(place / "runs" / row["name"] / "best_model").weights_sha256 for row in found]
    assert len(set(digests)) == 1
    for row in found[1:]:
        assert row["difference"]["verdict"] == "the same weights" and row["difference"]["same_weights"] is True
    assert "no difference shown" not in said.split("Verdict:")[0] and "B = A" in said
    assert [line for line in said.splitlines() if " no-counterfactual " in line]
    of_rows = [r.getMessage() for r in caplog.records if r.name.startswith("tricue.corpora.")]
    assert of_rows and len(of_rows) == len(set(of_rows))  # once, not for each variant


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variants", "no-gates"], "--variants no-gates: there are full, phases-1+2"),
        (["--set", "training.phase2_epochs=0"], "an epoch in each of the three"),
        (["--set", "training.phase3_epochs=0", "--epochs", "9"], "an epoch in each of the three"),
        (["--epochs", "2"], "3 phases need at least 3 epochs"),
    ],
)
def test_wrong_calls_exit_with_2_and_one_clear_message(
    arguments: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(*arguments) == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split()) and "Traceback" not in said
    assert not (place / "runs").exists()
