"""Cells that a spreadsheet would run are guarded in every table, and read back as they were."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tricue.data.manifest import read_manifest, write_manifest
from tricue.evaluation.result_rows import read_rows
from tricue.extractors.precomputed import read_precomputed
from tricue.files.spreadsheet import guarded, unguarded
from tricue.prediction.predictions import growing_table, unfinished, write_predictions
from tricue.tasks.categorical import Categorical
from tricue.types import Prediction, Utterance

FORMULAS = ["=1+1", '=HYPERLINK("http://x","y")', "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"]
CELLS = [*FORMULAS, "'=1", "''-x", "'tis", "'", "", "plain", "-"]


@given(st.text() | st.text("'=+-@\t\r\n a"))
@example("'=1")
@example("''@x")
@example("'")
def test_what_is_guarded_is_read_back_and_runs_nowhere(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(tuple("=+-@\t\r\n＝＋－＠"))


def test_other_cells_stay_as_they_are() -> None:
    for cell in ("plain", "'tis", "", "'", " =1", "1-2", "a@b"):
        assert guarded(cell) == unguarded(cell) == cell


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_manifest_keeps_its_cells(tmp_path: Path, ending: str) -> None:
    cells = [cell for cell in CELLS if cell == cell.strip()]
    rows = [
        Utterance(f"={i}{cell}", cell or None, video=tmp_path / "-clip.mp4", start=1.0, speaker=cell or None, turn=-1)
        for i, cell in enumerate(cells)
    ]  # fmt: skip
    (tmp_path / "-clip.mp4").write_bytes(b"")
    path = tmp_path / f"m.{ending}"
    write_manifest(rows, path)
    assert read_manifest(path) == rows
    if ending == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            written = list(csv.DictReader(file))
        assert {row["turn"] for row in written} == {"-1"}  # a number of ours stays one
        runs = [c for row in written for name, c in row.items() if name != "turn" and c[:1] in set("=+-@")]
        assert runs == []


def test_predictions_are_read_back(tmp_path: Path) -> None:
    chances = {"=a": 0.75, "b": 0.25}
    answers = [Prediction(cell, "=a", 0.75, chances, ("text",), error=cell) for cell in FORMULAS]
    more = {"label": ["=a"] * len(answers), "speaker": [cell.strip() for cell in FORMULAS]}
    path = tmp_path / "predictions.csv"
    write_predictions(path, answers, Categorical(tuple(chances)), more)
    read = read_rows(path, Categorical(tuple(chances)))
    assert [name for name, _ in read.keys] == FORMULAS
    assert set(read.labels) == {"=a"} and read.groups["speaker"] == more["speaker"]
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not any(cell.startswith(tuple("=+-@\t\r\n")) for cell in row)


def test_rows_so_far_are_guarded_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    answer = Prediction("=1", None, None, {}, (), error="-x", note="+n")
    with growing_table(path, Categorical(("a",))) as add:
        add([answer], {"text": ["@t"]})
        add([replace(answer, id="b")], {"text": ["t"]})
        with unfinished(path).open(encoding="utf-8", newline="") as file:
            first, second = csv.DictReader(file)
    assert (first["id"], first["error"], first["note"], first["text"]) == ("'=1", "'-x", "'+n", "'@t")
    assert second["id"] == "b"


def test_ids_of_precomputed_features(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("id,x\n'=1,1.5\n'tis,2.5\n")
    assert sorted(read_precomputed(str(tmp_path / "f.csv"), "audio").arrays) == ["'tis", "=1"]
