"""Writing to disk so that a kill or a full disk leaves the old content or the new, never a mixture.

What is not whole yet has a name that ends in `.tricue-HOST-PID`, and so it is known whose it is: what a process has
left that is gone is deleted by the next one that writes into the folder.
"""

import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

from tricue.types import InputError

_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]  # process ids are of one machine
_LEFTOVER = re.compile(r"\..+\.tricue-([0-9a-f]{8})-(\d+)")
_REPLACED = re.compile(r"\.(.+)\.old\.tricue-[0-9a-f]{8}-\d+")
_STALE_SECONDS = 24 * 3600.0  # from which what another machine has left is given up
_NAME_BYTES = 100  # of a file's own name in that of its unfinished part: systems take 255 in all


def user_cache() -> Path:
    """The folder of tricue in the user's cache. Raises RuntimeError where the user has no home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tricue"


def default_store() -> Path:
    """The folder of stored features: TRICUE_STORE, else one in the user's cache."""
    if named := os.environ.get("TRICUE_STORE"):
        return Path(named).expanduser()
    return user_cache() / "features"


def check_place(path: Path) -> None:
    """Raise InputError where no file can be made at `path`: to be known before the work, not after it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir():
        raise InputError(f"{parent} is a file, so {path} cannot lie in it; choose another place.")
    if not os.access(parent, os.W_OK):
        raise InputError(f"{parent} cannot be written to; choose another place for {path}.")


def check_not_input(flag: str, output: Path, inputs: Iterable[Path], folders: Iterable[Path] = ()) -> None:
    """Raise InputError where writing `output` would destroy an input, or add to a folder that is read as a whole.

    Links, hard links and the case of letters are followed as the file system does.

    Args:
        flag: Option that names the output, for the message.
        output: A file, or a folder that is replaced as a whole.
        inputs: Files and folders that are read.
        folders: Of those, folders in which nothing may be written.
    """
    whole = output.is_dir()  # then what lies in it would go, too
    for taken in inputs if os.path.lexists(output) else ():
        if any(_is_same(place, output) for place in (taken, *(_parents(taken) if whole else ()))):
            raise InputError(
                f"{flag} {output}: writing there would destroy the input {taken}. Choose another place with {flag}."
            )
    places = (output, *_parents(output))
    for folder in folders:
        if any(_is_same(place, folder) for place in places):
            raise InputError(
                f"{flag} {output}: the folder {folder} is an input, and what is written in it would be read with it. "
                f"Choose a place outside it with {flag}."
            )


def _parents(path: Path) -> list[Path]:
    try:
        return list(path.resolve().parents)
    except (OSError, ValueError, RuntimeError):  # no name of a file, or links in a circle: nothing lies there
        return []


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one is not there, so that writing it destroys nothing
        return False


def is_file(path: Path) -> bool:
    """Whether a file is there; no, too, for what no file can be named: a sentence where a path was expected."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """As `is_file`, of a folder."""
    try:
        return path.is_dir()
    except OSError:
        return False


def file_status(path: Path) -> os.stat_result:
    """The status of a file that may be read: it is told before it is opened, for a pipe waits for ever and a device
    gives bytes for ever.

    Raises OSError where none is there or it is not a regular file; the system's own (/proc, /sys), whatever they call
    themselves, are none. ValueError for a name with a NUL in it.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_dev in _system_devices():
        raise OSError(errno.EINVAL, "not a regular file")
    return status


@cache
def _system_devices() -> frozenset[int]:
    return frozenset(place.stat().st_dev for place in (Path("/proc"), Path("/sys")) if place.is_mount())


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place once it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.resolve())
    name = os.fsencode(path.name)[:_NAME_BYTES].decode(errors="ignore")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.", suffix=_owned(""))
    os.close(handle)
    part = Path(temporary)
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
    _sweep(folder.parent.resolve())
    fresh, old = _cleared(folder, "new"), _cleared(folder, "old")
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
    if is_folder(folder) or is_file(folder) or not is_folder(folder.parent):
        return
    old = [path for path in folder.parent.iterdir() if _is_old(path, folder)]
    if old:
        max(old, key=lambda path: path.stat().st_mtime).rename(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder so that a kill leaves the whole of it or nothing under its name, and the next call the rest."""
    if folder.parent.is_dir():
        _sweep(folder.parent.resolve())
    gone = _cleared(folder, "gone")
    if folder.is_dir():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _owned(name: str) -> str:
    """The name with the mark of this process behind it."""
    return f"{name}.tricue-{_HOST}-{os.getpid()}"


def _cleared(folder: Path, word: str) -> Path:
    """The place beside `folder` of that word, emptied, and so that without a mark, as earlier versions named it."""
    former = folder.with_name(f".{folder.name}.{word}")
    place = former.with_name(_owned(former.name))
    for leftover in (place, former):
        shutil.rmtree(leftover, ignore_errors=True)
    return place


def _is_old(path: Path, folder: Path) -> bool:
    """Whether `path` is what `folder` was before somebody began to replace it, who does so no more."""
    name, found = f".{folder.name}.old", _LEFTOVER.fullmatch(path.name)
    if found is None:
        return path.name == name
    mine = path.name == _owned(name)  # this process failed between the renames
    return path.name.startswith(f"{name}.tricue-") and (mine or _is_abandoned(path, found[1], int(found[2])))


@lru_cache(maxsize=1024)
def _sweep(folder: Path) -> None:
    """Delete what killed processes have left unfinished in a folder: once per folder and process."""
    there: list[Path] = []
    with suppress(OSError):  # a folder may be written to and not be listed
        there += folder.iterdir()
    for path in there:
        found = _LEFTOVER.fullmatch(path.name)
        if found is None or not _is_abandoned(path, found[1], int(found[2])):
            continue
        replaced = _REPLACED.fullmatch(path.name)
        if replaced and not folder.joinpath(replaced[1]).exists():
            continue  # the only copy: `recover_folder` puts it back
        with suppress(OSError):  # another process sweeps, too
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_abandoned(path: Path, host: str, process: int) -> bool:
    if host == _HOST:
        import psutil

        return not psutil.pid_exists(process)
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > _STALE_SECONDS
    return False


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder, and wants write access to flush a file
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
