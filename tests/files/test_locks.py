"""One process at a time writes a folder; a dead one holds nothing."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tricue.files.locks import LOCK, locked
from tricue.types import InputError

HOLDER = """
import sys, time
from pathlib import Path
from tricue.files.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        try:
            holder.stdout.readline()
            with pytest.raises(InputError) as stop, locked(folder):
                pass
        finally:
            holder.kill()
    assert str(folder) in str(stop.value) and f"pid {holder.pid}" in str(stop.value)
    with locked(folder):
        assert (folder / LOCK).read_text().strip() == str(os.getpid())


def test_the_same_thread_may_hold_a_folder_twice_another_may_not(tmp_path: Path) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            with locked(tmp_path):
                pass
        except InputError as error:
            refused.append(str(error))

    def ask() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    with locked(tmp_path):
        with locked(tmp_path / "a" / ".."):  # the same folder by another name
            ask()
        ask()  # still held
    assert len(refused) == 2
    ask()
    assert len(refused) == 2


def test_a_folder_that_stays_empty_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wrong"), locked(tmp_path / "a" / "b"):
        raise InputError("wrong")
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "kept").write_text("")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]
    with locked(tmp_path / "a"):
        pass
    assert (tmp_path / "a" / LOCK).is_file()  # it was there before: the lock stays


def test_a_folder_that_is_replaced_as_a_whole_has_its_lock_beside(tmp_path: Path) -> None:
    with locked(tmp_path / "model", beside=True):
        assert [path.name for path in tmp_path.iterdir()] == [f".model{LOCK}"]
    assert not list(tmp_path.iterdir())


def test_a_place_where_no_folder_can_be_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="file"), locked(folder):
            pass
