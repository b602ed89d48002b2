"""Writing to disk so that a kill or a full disk leaves the old content or the new, never a mixture."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tricue.types import InputError


def check_place(path: Path) -> None:
    """Raise InputError where no file can be made at `path`: to be known before the work, not after it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir():
        raise InputError(f"{parent} is a file, so {path} cannot lie in it; choose another place.")
    if not os.access(parent, os.W_OK):
        raise InputError(f"{parent} cannot be written to; choose another place for {path}.")


def is_file(path: Path) -> bool:
    """Whether a file is there; no, too, for what no file can be named: a sentence where a path was expected."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place once it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)  # mkstemp's files are for their owner alone
        _sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A fresh folder to write into; on success it takes the place of `folder`, on failure nothing changes.

    Between its two renames there is no `folder`; `recover_folder` mends a kill that falls there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover_folder(folder)
    fresh, old = folder.with_name(f".{folder.name}.new"), _old(folder)
    for leftover in (fresh, old):  # of a killed run
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
        for path in fresh.rglob("*"):
            if path.is_file():
                _sync(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Put back the old folder where a kill fell between the two renames of `replaced_folder`."""
    if _old(folder).is_dir() and not folder.exists():
        _old(folder).rename(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder so that a kill leaves the whole of it or nothing under its name, and the next call the rest."""
    gone = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if folder.is_dir():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step."""
    with replaced_file(path) as part:
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _old(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"  # `.` has no name to change


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder, and wants write access to flush a file
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
