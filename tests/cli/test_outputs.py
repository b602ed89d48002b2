"""What a command would write over one of its inputs, or into a corpus, is refused before any
work, whatever the command."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.commands import tricue

from tricue.cli.outputs import check_outputs, result_outputs, run_outputs

ROWS = "id,text,my_notes\na,I am happy,keep me\n"


@pytest.fixture
def place(working_folder: Path, save_untrained: Callable[..., Path]) -> Path:
    """A working folder with a model, a table, and a corpus."""
    save_untrained(working_folder / "checkpoints/best_model", {"modalities": ["text"]})
    Path("rows.csv").write_text(ROWS)
    Path("corpus").mkdir()
    Path("corpus/table.csv").write_text("id,text,emotion,split\na,Hi,joy,train\n")
    Path("talk.srt").write_text("1\n00:00:00,200 --> 00:00:00,900\nHello\n")
    return working_folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says that must change no file."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    status = tricue(*arguments)
    said = capsys.readouterr().err
    assert status == 2 and "Traceback" not in said, said
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    return said


@pytest.mark.parametrize("name", ["rows.csv", "./rows.csv", "corpus/../rows.csv", "link.csv", "hard.csv"])
@pytest.mark.parametrize("flag", [[], ["--input_file"]])
def test_predict_onto_its_own_input(
    place: Path, capsys: pytest.CaptureFixture[str], name: str, flag: list[str]
) -> None:
    Path("link.csv").symlink_to("rows.csv")
    os.link("rows.csv", "hard.csv")
    said = refused(capsys, "predict", *flag, "rows.csv", "--output_file", name, "--quiet")
    assert f"--output_file {Path(name)}" in said and "destroy the input" in said and "rows.csv" in said


def test_predict_where_its_defaults_and_its_unfinished_rows_lie(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results").mkdir()
    Path("rows.csv").rename("results/predictions.csv")
    assert "results/predictions.csv" in refused(capsys, "predict", "results/predictions.csv")
    Path("results/predictions.csv").rename("a.part.csv")
    assert "a.part.csv" in refused(capsys, "predict", "a.part.csv", "--output_file", "a.csv")


def test_predict_onto_the_models_files_and_into_encoders(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = "checkpoints/best_model/config.json"
    assert model in refused(capsys, "predict", "rows.csv", "--output_file", model)
    Path("encoder").mkdir()
    whisper = ["--whisper", "encoder", "--output_file", "encoder/config.json"]
    assert "the folder encoder is an input" in refused(capsys, "predict", "rows.csv", *whisper)


def test_predict_features_among_the_clips(place: Path, capsys: pytest.CaptureFixture[str], make_clip: Any) -> None:
    make_clip("corpus/a.mp4", frames=2)
    assert "--store corpus/kept" in refused(capsys, "predict", "corpus", "--store", "corpus/kept")


def test_a_timeline_over_its_subtitles(place: Path, capsys: pytest.CaptureFixture[str], make_clip: Any) -> None:
    make_clip("talk.mp4", frames=2)
    Path("results/talk").mkdir(parents=True)
    Path("talk.srt").rename("results/talk/captions.vtt")
    said = refused(capsys, "predict", "talk.mp4", "--subtitles", "results/talk/captions.vtt")
    assert "--out results/talk/captions.vtt" in said and "destroy the input" in said


IN_CORPUS = [
    ["train", "--save_dir", "corpus"],
    ["train", "--save_dir", "corpus/runs/mine", "--restart"],
    ["train", "--store", "corpus/kept"],
    ["ablate", "--save_dir", "corpus/runs"],
    ["ablate", "--out", "corpus/results"],
    ["evaluate", "--out", "corpus/results"],
    ["report", "--out", "corpus/results"],
    ["robustness", "--out", "corpus"],
    ["audit", "--out", "corpus"],
    ["extract", "--store", "corpus/kept"],
]


@pytest.mark.parametrize("command", IN_CORPUS, ids=" ".join)
def test_nothing_is_written_into_a_corpus(place: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    said = refused(capsys, *command, "--dataset", "RAVDESS", "--data_dir", "corpus")
    assert "the folder corpus is an input" in said and "Choose a place outside it with --" in said


def test_nor_into_the_folder_where_a_corpus_is_looked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("corpus").rename("data/MELD")
    assert "data/MELD is an input" in refused(capsys, "train", "--dataset", "MELD", "--save_dir", "data/MELD/run")


OVER_INPUTS = [  # manifest, command
    ("run/predictions.csv", ["train", "--save_dir", "run", "--restart"]),
    ("run/phase1/my.csv", ["train", "--save_dir", "run"]),
    ("run/state/my.csv", ["train", "--save_dir", "run", "--restart"]),
    ("run/full/best_model/my.csv", ["ablate", "--save_dir", "run", "--restart"]),
    ("out/predictions.csv", ["evaluate", "--out", "out"]),
    ("out/report/my.csv", ["report", "--out", "out"]),
]


@pytest.mark.parametrize(("manifest", "command"), OVER_INPUTS)
def test_no_manifest_is_written_over(
    place: Path, capsys: pytest.CaptureFixture[str], manifest: str, command: list[str]
) -> None:
    Path(manifest).parent.mkdir(parents=True)
    Path("corpus/table.csv").rename(manifest)
    assert f"destroy the input {manifest}" in refused(capsys, *command, "--manifest", manifest)


def test_what_a_run_starts_from_is_not_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["--init_from", "checkpoints/best_model", "--save_dir", "checkpoints", "--restart"]
    assert "destroy the input" in refused(capsys, "train", "--manifest", "corpus/table.csv", *start)


def test_an_export_over_its_model(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("checkpoints/best_model/README.md").write_text("mine")
    assert "destroy the input" in refused(capsys, "export", "--out", "checkpoints/best_model", "--half")
    assert "destroy the input" in refused(capsys, "export", "--out", "checkpoints", "--half")


def test_prepare_over_a_manifest_of_ones_own(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("corpus/manifest.csv").write_text(ROWS)
    said = refused(capsys, "prepare", "RAVDESS", "corpus", "--out", "corpus")
    assert "was not written by tricue prepare" in said


def test_a_run_beside_its_manifest_is_welcome(place: Path) -> None:
    check_outputs("--save_dir", run_outputs(Path("corpus/runs")), manifest=[Path("corpus/table.csv")])
    check_outputs("--save_dir", run_outputs(Path("corpus")), manifest=[Path("corpus/table.csv")])
    check_outputs("--out", result_outputs(Path("checkpoints")), model=Path("checkpoints/best_model"))
