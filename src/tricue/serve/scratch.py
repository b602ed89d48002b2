"""Folders of uploads in the system's temporary folder, each locked as long as its request lives.

The lock is the system's own (flock of the folder), so that a service that is killed holds none: the next one takes
what it has left behind away. A process id would name another process in a container that shares the folder.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOG = logging.getLogger(__name__)
_PREFIX = "tricue-serve-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A private folder (mode 700), removed at the end with all that is in it. Raises OSError where none can be made."""
    folder, lock = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep() -> None:
    """Remove the folders of services of this user that live no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            lock = _locked(folder)
        except OSError:  # it is being removed
            continue
        if lock is not None:
            _LOG.info("%s: left by a service that was killed; removed", folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _made() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # a service that starts this very moment has taken it for a dead one's
            continue
        with suppress(OSError):  # a file system that knows no locks: nobody sweeps there either
            fcntl.flock(lock, fcntl.LOCK_EX)  # that service is done with it in a moment
        if folder.is_dir():
            return folder, lock
        os.close(lock)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where somebody else does. Raises OSError."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
