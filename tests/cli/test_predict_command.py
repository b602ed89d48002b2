"""`tricue predict`: what it takes, what it says, what it writes, its exit status."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.commands import tricue

from tricue.checkpoint.checkpoint import TOY_MARK
from tricue.recognizer import SHIPPED, MultimodalEmotionRecognizer, find_model
from tricue.types import ModalityName

EMOTIONS = ["anger", "joy", "neutral"]


@pytest.fixture
def saved(save_untrained: Callable[..., Path]) -> Callable[..., Path]:
    def save(folder: Path, modalities: list[ModalityName], temperature: float = 2.0) -> Path:
        calibration = {"temperature": temperature, "rows": 9, "ece_before": 0.2, "ece_after": 0.1}
        return save_untrained(folder, {"modalities": modalities, "data.emotions": EMOTIONS}, calibration=calibration)

    return save


@pytest.fixture
def place(working_folder: Path, saved: Callable[..., Path]) -> Path:
    """A working folder with a text model where it is looked for."""
    saved(working_folder / "checkpoints/best_model", ["text"])
    return working_folder


predict = partial(tricue, "predict", "--quiet")


def test_words_are_answered_on_the_terminal(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("I am so happy to see you") == 0
    said = capsys.readouterr().out
    expected = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model").predict("I am so happy to see you")
    assert f"{expected.emotion} {100 * (expected.confidence or 0):.0f}%" in said and "text" in said
    assert not (place / "results").exists()


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_what_is_written_says_the_same(place: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("Good morning", "What a day [red]!", "--output_file", f"out.{ending}") == 0
    assert f"Predictions: out.{ending}" in capsys.readouterr().out
    content = (place / f"out.{ending}").read_text(encoding="utf-8")
    if ending == "csv":
        rows = list(csv.DictReader(content.splitlines()))
        chances = [{e: float(row[f"p_{e}"]) for e in EMOTIONS} for row in rows]
    else:
        rows = json.loads(content) if ending == "json" else [json.loads(s) for s in content.splitlines()]
        chances = [row["probabilities"] for row in rows]
        assert rows[0]["modalities"] == ["text"] and rows[0]["error"] is None
    assert [row["text"] for row in rows] == ["Good morning", "What a day [red]!"]
    asked = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model").predict_batch(
        ["Good morning", "What a day [red]!"]
    )
    for row, chance, answer in zip(rows, chances, asked, strict=True):
        assert row["emotion"] == answer.emotion
        assert chance == pytest.approx(answer.probabilities, abs=1e-6)


def test_json_lines_on_the_terminal_are_nothing_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("Good morning", "Oh", "--output_file", "-") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["Good morning", "Oh"]


def test_json_lines_of_a_toy_model_are_nothing_else(
    place: Path, capsys: pytest.CaptureFixture[str], save_untrained: Callable[..., Path]
) -> None:
    save_untrained(place / "toy", {"modalities": ["text"], "data.emotions": EMOTIONS, "data.name": "toy"})
    assert predict("Good morning", "--model_path", "toy", "--output_file", "-") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["note"] == TOY_MARK


def test_a_table_is_written_by_default(place: Path) -> None:
    (place / "rows.csv").write_text("id,text\nx,Hello there\ny,\n")
    assert predict("--input_file", "rows.csv") == 1  # y has nothing to go by
    rows = list(csv.DictReader((place / "results/predictions.csv").open(newline="")))
    assert [row["id"] for row in rows] == ["x", "y"]
    assert rows[0]["emotion"] and not rows[1]["emotion"] and rows[1]["error"] == "no text to go by"


def test_whatever_is_in_a_tables_name_all_its_rows_are_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "my [new] rows.csv"
    (place / table).write_text("id,text\n" + "".join(f"{i},Hello {i}\n" for i in range(30)))
    assert predict(table) == 0
    assert len(list(csv.DictReader((place / "results/predictions.csv").open(newline="")))) == 30
    assert predict(table, "--output_file", "[/b] out.csv") == 0
    assert "Predictions: [/b] out.csv" in capsys.readouterr().out


def test_less_sure_than_asked_for_is_uncertain(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("Good morning", "--abstain", "0.99", "--output_file", "sure.json") == 0
    (row,) = json.loads((place / "sure.json").read_text())
    assert row["emotion"] == "uncertain" and max(row["probabilities"].values()) == row["confidence"] < 0.99
    assert predict("Good morning", "--abstain", "0", "--output_file", "all.json") == 0
    assert json.loads((place / "all.json").read_text())[0]["emotion"] in EMOTIONS
    assert predict("Good morning", "--abstain", "1.5") == 2
    assert "probability from 0 to 1" in capsys.readouterr().err


def test_the_temperature_is_applied(tmp_path: Path, saved: Callable[..., Path]) -> None:
    plain = MultimodalEmotionRecognizer.from_pretrained(saved(tmp_path / "plain", ["text"], 1.0))
    cooled = MultimodalEmotionRecognizer.from_pretrained(saved(tmp_path / "cooled", ["text"], 0.25))
    one, other = plain.predict("Good morning"), cooled.predict("Good morning")
    logits = torch.tensor(list(one.probabilities.values())).log()
    assert list(other.probabilities.values()) == pytest.approx((logits / 0.25).softmax(0).tolist(), abs=1e-6)
    assert one.emotion == other.emotion


def test_clips_and_a_folder(
    place: Path, make_clip: Any, capsys: pytest.CaptureFixture[str], saved: Callable[..., Path]
) -> None:
    model = saved(place / "clips_model", ["audio", "video"])
    (place / "clips").mkdir()
    make_clip("clips/a.mp4")
    make_clip("clips/mute.mp4", sound=None)
    assert predict("clips/a.mp4", "--model_path", model) == 0
    assert "audio+video" in capsys.readouterr().out
    assert predict("clips", "--model_path", model, "--output_file", "c.jsonl") == 0
    rows = [json.loads(line) for line in (place / "c.jsonl").read_text().splitlines()]
    assert [(row["id"], row["modalities"]) for row in rows] == [("a.mp4", ["audio", "video"]), ("mute.mp4", ["video"])]
    (place / "clips/broken.mp4").write_bytes(b"no film")
    assert predict("clips", "--model_path", model) == 1
    said = capsys.readouterr().out
    assert "results/predictions.csv (1 rows failed" in said


def test_a_clip_for_a_model_of_words_says_what_to_do(
    place: Path, make_clip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(make_clip()) == 1
    said = capsys.readouterr().out
    assert "no text to go by" in said and "--transcribe hears those of a clip" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Nothing to predict"),
        (["gone.mp4"], "gone.mp4: file not found"),
        (["Hi there", "--output_file", "out.xlsx"], "written as .csv, .json, .jsonl"),
        (["Hi there", "--windows", "5"], "A timeline is made of one recording"),
        (["Hi there", "--encoder", "here"], "this model has none"),
        (["Hi there", "--out", "here"], "--out is the folder of a timeline"),
        (["Hi there", "--model_path", "nowhere"], "No checkpoint at nowhere"),
    ],
)
def test_wrong_calls(place: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(*arguments) == 2
    shown = capsys.readouterr().err
    assert said.lower() in shown.lower() and "Traceback" not in shown


def test_which_model_answers(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_model(Path("named")) == Path("named")
    assert find_model(None) == Path("checkpoints/best_model")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_model(None) == SHIPPED
