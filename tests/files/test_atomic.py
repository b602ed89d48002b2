"""Outputs over inputs, and temporary names that kills have left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tricue.files import atomic as files
from tricue.files import json_files
from tricue.files.atomic import check_not_input, recover_folder, remove_folder, replaced_file, replaced_folder
from tricue.types import InputError


@pytest.fixture(autouse=True)
def fresh() -> None:
    files._sweep.cache_clear()


@pytest.fixture
def dead() -> int:
    """The number of a process that was."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def mark(process: int, host: str = files._HOST) -> str:
    return f".tricue-{host}-{process}"


def test_an_input_is_known_by_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = Path("rows.csv")
    table.write_text("id\n")
    Path("link.csv").symlink_to(table)
    os.link(table, "hard.csv")
    Path("sub").mkdir()
    Path("here").symlink_to(tmp_path)
    for name in ("rows.csv", "./rows.csv", "sub/../rows.csv", "link.csv", "hard.csv", "here/rows.csv"):
        with pytest.raises(InputError, match=r"--output_file .*destroy the input rows\.csv.*--output_file"):
            check_not_input("--output_file", Path(name), [table])
        with pytest.raises(InputError, match="destroy"):
            check_not_input("--output_file", table, [Path(name)])
    check_not_input("--output_file", Path("other.csv"), [table, Path("gone.csv"), Path("no\0name"), Path("x" * 5000)])
    check_not_input("--output_file", Path("gone.csv"), [Path("gone.csv")])


def test_letters_in_another_case_are_another_file_only_where_the_system_says_so(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id\n")
    if (tmp_path / "ROWS.csv").exists():
        with pytest.raises(InputError, match="destroy"):
            check_not_input("--out", tmp_path / "ROWS.csv", [tmp_path / "rows.csv"])
    else:
        check_not_input("--out", tmp_path / "ROWS.csv", [tmp_path / "rows.csv"])


def test_a_folder_that_is_replaced_may_hold_no_input(tmp_path: Path) -> None:
    (tmp_path / "run/phase1").mkdir(parents=True)
    (tmp_path / "run/phase1/my.csv").write_text("id\n")
    with pytest.raises(InputError, match="destroy the input"):
        check_not_input("--save_dir", tmp_path / "run/phase1", [tmp_path / "run/phase1/my.csv"])
    check_not_input("--save_dir", tmp_path / "run/phase2", [tmp_path / "run/phase1/my.csv"])


def test_nothing_is_written_into_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "corpus")
    for place in ("corpus", "corpus/new/run.json", "link/run.json", "corpus/x/../run.json"):
        with pytest.raises(InputError, match="would be read with it"):
            check_not_input("--save_dir", tmp_path / place, [], [tmp_path / "corpus"])
    check_not_input("--save_dir", tmp_path / "runs", [], [tmp_path / "corpus"])
    check_not_input("--save_dir", tmp_path / "corpus2/run.json", [], [tmp_path / "corpus"])


def test_what_a_kill_has_left_goes_with_the_next_write(tmp_path: Path, dead: int) -> None:
    left = tmp_path / f".metrics.json.abc{mark(dead)}"
    folders = [tmp_path / f".{name}{mark(dead)}" for name in ("phase1.new", "state.gone", "phase1.old")]
    for folder in folders:
        folder.mkdir()
        (folder / "weights").write_text("half")
    left.write_text("half")
    (tmp_path / "phase1").mkdir()
    living, mine = tmp_path / f".x.abc{mark(os.getppid())}", tmp_path / ".notes.tricue-mine"
    elsewhere = tmp_path / f".x.abc{mark(dead, '0' * 8)}"
    for path in (living, mine, elsewhere):
        path.write_text("keep")
    with replaced_file(tmp_path / "other.json") as part:
        part.write_text("{}")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "phase1", living, mine, elsewhere, tmp_path / "other.json"])


def test_what_another_machine_has_left_goes_after_a_day(tmp_path: Path, dead: int) -> None:
    elsewhere = tmp_path / f".x.abc{mark(dead, '0' * 8)}"
    elsewhere.write_text("old")
    os.utime(elsewhere, (0, 0))
    remove_folder(tmp_path / "state")
    assert not elsewhere.exists()


def test_a_kill_between_the_renames_loses_nothing(tmp_path: Path, dead: int) -> None:
    old = tmp_path / f".phase1.old{mark(dead)}"
    old.mkdir()
    (old / "weights").write_text("whole")
    with replaced_file(tmp_path / "other.json") as part:  # sweeps
        part.write_text("{}")
    recover_folder(tmp_path / "phase1")
    assert (tmp_path / "phase1/weights").read_text() == "whole" and not old.exists()
    with replaced_folder(tmp_path / "phase1") as fresh:
        (fresh / "weights").write_text("new")
    assert (tmp_path / "phase1/weights").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.json", "phase1"]


def test_a_folder_that_another_process_is_replacing_is_left_to_it(tmp_path: Path) -> None:
    old = tmp_path / f".phase1.old{mark(os.getppid())}"
    old.mkdir()
    recover_folder(tmp_path / "phase1")
    assert old.is_dir() and not (tmp_path / "phase1").exists()


KILLED = """
import os, sys
from pathlib import Path
from tricue.files.atomic import replaced_file
with replaced_file(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_a_killed_write_leaves_a_name_that_the_next_one_takes_away(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 120 + ".json")  # whose part has no room for all of its name
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".é") and not target.exists()
    json_files.write_json(target, {})
    assert list(tmp_path.iterdir()) == [target]
