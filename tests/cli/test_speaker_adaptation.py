"""--speaker_adaptation as a user types it."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.commands import tricue
from tests.prediction.test_adapted import CLASSES, save, spoken
from tests.small_runs import small

from tricue.config.load import change_config
from tricue.config.settings import Config
from tricue.data.manifest import write_manifest
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import Utterance


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of made-up voices; rows.csv with a test part, nameless.csv with other rows without speakers."""
    folder = tmp_path_factory.mktemp("voices")
    known, arrays = spoken(6, 8, seed=0)
    other, more = spoken(2, 6, seed=1, first=6)
    save(folder / "voice.npz", arrays | more)
    rows = [replace(u, split="train") for u in known] + [replace(u, split="test") for u in other]
    write_manifest(rows, folder / "rows.csv")
    write_manifest([Utterance(u.id, label=u.label, split="test") for u in other], folder / "nameless.csv")
    config: Config = small(
        modalities=["audio"], features__audio__precomputed=str(folder / "voice.npz"), training__select="last",
        data__emotions=list(CLASSES),
    )  # fmt: skip
    config = change_config(config, {"speaker.adaptation": "all"}, "the test")
    space = Workspace(store=folder / "store", manifest=folder / "rows.csv", device="cpu", quiet=True)
    train(config, save_dir=folder / "run", workspace=space)
    return folder


def evaluate(place: Path, out: Path, *flags: object, rows: str = "rows.csv") -> int:
    return tricue(
        "evaluate", "--model_path", place / "run/best_model", "--manifest", place / rows, "--out", out, "--no_report",
        "--quiet", "--store", place / "store", *flags,
    )  # fmt: skip


def test_evaluate_says_how_it_adapted(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(place, tmp_path / "all") == 0
    assert "transductive" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "all/metrics.json").read_text())
    assert metrics["speaker_adaptation"]["form"] == "all" and metrics["speaker_adaptation"]["clips"]["median"] == 5
    assert evaluate(place, tmp_path / "off", "--speaker_adaptation", "off") == 0
    assert "transductive" not in capsys.readouterr().out
    assert json.loads((tmp_path / "off/metrics.json").read_text())["speaker_adaptation"] == {"form": "off"}
    with (tmp_path / "all/predictions.csv").open() as file:
        assert {row["adapted_from"] for row in csv.DictReader(file)} == {"5"}
    with (tmp_path / "off/predictions.csv").open() as file:
        assert "adapted_from" not in next(csv.DictReader(file))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_predictions_say_from_how_many_clips(place: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"answers.{ending}"
    called = [
        "predict", place / "rows.csv", "--model_path", place / "run/best_model", "--output_file", target,
        "--store", place / "store", "--speaker_adaptation", "past", "--quiet",
    ]  # fmt: skip
    assert tricue(*called) == 0
    if ending == "csv":
        with target.open() as file:
            counts = [int(row["adapted_from"]) for row in csv.DictReader(file)]
    else:
        counts = [json.loads(line)["adapted_from"] for line in target.read_text().splitlines()]
    assert counts == [*list(range(8)) * 6, *list(range(6)) * 2]


def test_without_speakers(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert evaluate(place, tmp_path / "asked", "--speaker_adaptation", "all", rows="nameless.csv") == 2
    assert "no row names its speaker" in capsys.readouterr().err
    assert evaluate(place, tmp_path / "default", rows="nameless.csv") == 0
    assert "no row names one: they stay as they are" in caplog.text


def test_an_unknown_form(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(place, tmp_path, "--speaker_adaptation", "future") == 2
    assert "--speaker_adaptation future: use one of off, past, all." in capsys.readouterr().err


def test_off_is_a_word(place: Path, tmp_path: Path) -> None:
    """YAML reads it as false."""
    config = tmp_path / "mine.yaml"
    config.write_text("speaker:\n  adaptation: off\n")
    called = ["info", "--config", config, "--set", "features.text.encoder=light", "--modalities", "text"]
    assert tricue(*called) == 0
    assert tricue(*called, "--set", "speaker.adaptation=off") == 0
    assert tricue(*called, "--set", "speaker.adaptation=never") == 2
