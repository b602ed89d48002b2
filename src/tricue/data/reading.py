"""What the readers of corpora share: their labels, their files, their texts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tricue.config import Config
from tricue.data.table import MAX_TEXT_BYTES
from tricue.files import is_file
from tricue.types import InputError, InvalidFileError

ENCODINGS = ("utf-8-sig", "cp1252")  # copies in circulation were saved by spreadsheets
# ... and some hold the control character U+0092 where cp1252 has a curly quote: "company\x92s"
CURLY = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
SHOWN = 3


def choose_labels(
    name: str, sets: Mapping[str, Sequence[str]], config: Config, *, whole: bool = False
) -> tuple[str, list[str]]:
    """Name and classes of the label set that the settings ask for: `sets` has the default first.

    The classes of a set that is named win over `data.emotions`, those of the default do not. whole: `data.emotions`
    must have every class of the set, since each has rows.
    Raises InputError for a set that the corpus does not have and for emotions that are not whole.
    """
    labels = config.data.labels or next(iter(sets))
    if labels not in sets:
        raise InputError(f"{name} has no label set {labels!r}. Known: {', '.join(sets)} (data.labels).")
    if config.data.labels or not config.data.emotions:
        return labels, list(sets[labels])
    absent = [emotion for emotion in sets[labels] if emotion not in config.data.emotions]
    if whole and absent:
        raise InputError(
            f"{name} has {', '.join(absent)}, which data.emotions lacks. Name all, or leave it empty."
        )
    return labels, list(config.data.emotions)


def files_below(folder: Path) -> Iterator[Path]:
    """The files below a folder, in order, without those that macOS leaves beside them (`._*`)."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("._"))


def read_text(path: Path) -> str:
    """A text file in UTF-8, else in cp1252. Raises InvalidFileError for one that is no text, or far too large."""
    if not is_file(path):
        raise InvalidFileError(f"{path} is no regular file. Restore it as published.")
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise InvalidFileError(f"{path}: {path.stat().st_size:,} bytes; restore the file as published.")
    content = path.read_bytes()
    if b"\0" in content:
        raise InvalidFileError(f"{path} is no text in UTF-8 (it holds NUL bytes). Restore it as published.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1").translate(CURLY)


def some(names: Sequence[str]) -> str:
    """The first few names, for a note that counts them."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
