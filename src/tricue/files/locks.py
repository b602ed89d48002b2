"""One process at a time writes a folder: a lock that the operating system releases when its holder ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tricue.files.atomic import check_place
from tricue.types import InputError

LOCK = ".lock"  # in a folder that one process at a time writes; it stays, as deleting it would let two in


@contextmanager
def locked(folder: Path, *, beside: bool = False) -> Iterator[None]:
    """Keep every other process from writing `folder`, which is made where it is missing.

    The operating system releases the lock of a process that ends, however it ends. The same thread may lock a folder
    again. A folder that was made here and is still empty at the end is removed.

    beside: the lock is a file beside the folder, which is not made: for one that is replaced as a whole. The file is
    removed at the end, as such folders lie side by side.
    Raises InputError where another process holds the folder, or no lock can be made in it.
    """
    lock = folder.with_name(f".{folder.name}{LOCK}") if beside else folder / LOCK
    check_place(lock)
    made = [place for place in lock.parents if not place.exists()]
    held = FileLock(lock.parent.resolve() / lock.name, timeout=0, is_singleton=True)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: {_holder(lock)} is writing this folder. Wait until that process has ended, or name another "
            "folder."
        ) from None
    except OSError as error:
        fault = f"{folder}: no lock can be made ({error}); name a folder that can be written."
        raise InputError(fault) from error
    try:
        if os.name != "nt":  # where a locked file cannot be written by a second handle
            lock.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        if made and list(lock.parent.iterdir()) == [lock]:
            _remove_made(lock, made)
        elif beside and os.name != "nt":  # where an open file cannot be removed
            lock.unlink(missing_ok=True)
        held.release()


def _holder(lock: Path) -> str:
    try:
        return f"another process (pid {int(lock.read_text(encoding='ascii'))})"
    except (OSError, ValueError):  # not there yet, not readable on Windows, or not written yet
        return "another process"


def _remove_made(lock: Path, made: list[Path]) -> None:
    """Remove folders that hold nothing but a held lock, from the innermost on."""
    lock.unlink()
    for place in made:
        if any(place.iterdir()):
            return
        place.rmdir()
