"""Arrays of .npy and .npz files from elsewhere: headers are compared with sizes before memory is asked for.

A header of a hundred bytes may claim any shape, and an archive of a megabyte may inflate to gigabytes. Nothing is
unpickled.
"""

import math
import tokenize
import zipfile
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import psutil
from numpy.lib import format as npy

from tricue.types import InvalidFileError, as_invalid

MAX_ARRAY_BYTES = 16 * 2**30  # padded features of a corpus of 20,000 utterances take about 4 GiB
MAX_INFLATION = 500  # of an array beyond SMALL_BYTES; deflate reaches 1,032 with zeros alone
SMALL_BYTES = 256 * 2**20
MAX_MEMBERS = 1_000
_PACKED_AS_NUMPY_DOES = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others inflate without a bound
_UNREADABLE = (  # what numpy, zipfile and Python's parser raise for damage
    OSError, ValueError, EOFError, RuntimeError, TypeError, LookupError, OverflowError, MemoryError, SyntaxError,
    zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Shape and type of an array, before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"[:100]


def readable(path: Path) -> AbstractContextManager[None]:
    """As InvalidFileError what reading a damaged file raises."""
    return as_invalid(_UNREADABLE, f"{path} cannot be read as precomputed features: ")


def read_npy(path: Path) -> np.ndarray:
    """The array of a .npy file. Raises InvalidFileError where it is damaged, pickled or beyond the limits."""
    with readable(path), path.open("rb") as file:
        header = _read_header(file)
        _check_size(path, path.name, header, path.stat().st_size - file.tell())
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


class ArrayArchive:
    """An .npz file whose headers alone have been read.

    Raises:
        InvalidFileError: The file is no archive, a name stands twice in it, or a header is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: dict[str, Header] = {}  # of the members that are arrays, by name
        with readable(path), zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise InvalidFileError(f"{path} holds {len(members):,} members, more than {MAX_MEMBERS:,}.")
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name == member.filename:
                    continue  # no array
                if name in self.headers:
                    raise InvalidFileError(f"{path} holds {name[:100]} twice.")
                if member.compress_type not in _PACKED_AS_NUMPY_DOES:
                    raise InvalidFileError(f"{path}: {name[:100]} is compressed otherwise than by numpy.")
                with archive.open(member) as file:
                    self.headers[name] = _read_header(file)

    def read(self, name: str) -> np.ndarray:
        """One of the arrays. Raises InvalidFileError where it is damaged, pickled or beyond the limits."""
        with readable(self.path), zipfile.ZipFile(self.path) as archive:
            member = archive.getinfo(f"{name}.npy")
            with archive.open(member) as file:
                header = _read_header(file)
                _check_size(self.path, name, header, member.file_size - file.tell())
                inflated = member.file_size / max(member.compress_size, 1)
                if member.file_size > SMALL_BYTES and inflated > MAX_INFLATION:
                    raise InvalidFileError(
                        f"{self.path}: {name} inflates {inflated:,.0f} times, to {member.file_size:,} bytes; at most "
                        f"{MAX_INFLATION} times. Save it without compression (numpy.savez)."
                    )
            with archive.open(member) as file:
                return npy.read_array(file, allow_pickle=False)


def _read_header(file: IO[bytes]) -> Header:
    """Raises ValueError where there is none, or it is longer than numpy's own limit of 10,000 bytes."""
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of .npy, which only arrays with named fields need")
    shape, _, dtype = readers[version](file)
    return Header(shape, dtype)


def _check_size(path: Path, name: str, header: Header, there: int) -> None:
    """Raise InvalidFileError where a header does not fit the bytes behind it, or memory does not hold them."""
    if header.dtype.hasobject:
        raise InvalidFileError(f"{path}: {name} is pickled; save arrays of numbers and of text (dtype U).")
    odd = header.dtype.itemsize == 0 or any(size < 0 for size in header.shape)
    if odd or header.num_bytes != there:
        raise InvalidFileError(f"{path} is damaged: {name} claims to be {header}, and has {there:,} bytes.")
    free = min(MAX_ARRAY_BYTES, psutil.virtual_memory().available // 2)  # it is copied to float32
    if there > free:
        raise InvalidFileError(f"{path}: {name} takes {there:,} bytes, and at most {free:,} are read. Split the file.")
