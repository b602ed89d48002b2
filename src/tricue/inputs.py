"""What is to be predicted, however it is named: a media file, a folder of them, a table, words."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tricue.data.manifest import read_manifest
from tricue.features.formats import MEDIA_ENDINGS
from tricue.features.media import MediaError, probe
from tricue.files import is_file
from tricue.types import InputError, Utterance

TABLE_ENDINGS = frozenset([".csv", ".parquet"])
Kind = Literal["words", "clip", "folder", "table"]


def kind_of(item: str) -> Kind:
    """What an item of the command line is. Raises InputError for an empty one, and for a file or folder that is not
    there: words end otherwise."""
    path = Path(item)
    if is_file(path):
        return "table" if path.suffix.lower() in TABLE_ENDINGS else "clip"
    if _is_folder(path):
        return "folder"
    if not item.strip():
        raise InputError("There is nothing to go by: the text is empty.")
    if _has_known_ending(item):
        raise InputError(f"There is no file {item}. Words that end so want a full stop behind them.")
    if item.endswith("/"):
        raise InputError(f"There is no folder {item}")
    return "words"


def read_inputs(items: Sequence[str], *, without_cues: bool = False) -> list[Utterance]:
    """One utterance per file, row or text, in the order of `items`, each with an id of its own.

    A folder gives the media files below it, by name. without_cues: as for `read_manifest`. Raises InputError for what
    looks like a file and is none, and for a folder without media.
    """
    found = [utterance for item in items for utterance in _read(item, without_cues)]
    return _told_apart(found)


def _read(item: str, without_cues: bool) -> Iterator[Utterance]:
    path, kind = Path(item), kind_of(item)
    if kind == "words":
        yield Utterance(_short(item), text=item)
    elif kind == "table":
        yield from read_manifest(path, for_prediction=True, without_cues=without_cues)
    elif kind == "clip":
        yield of_file(path, path.name)
    else:
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in MEDIA_ENDINGS and p.is_file())
        if not files:
            raise InputError(f"{item}: no media file lies in this folder (.wav, .mp3, .mp4, .mkv, ...).")
        yield from (of_file(file, file.relative_to(path).as_posix()) for file in files)


def is_missing_file(item: str) -> bool:
    """Whether what names no file was surely meant to, even among words: one word with the ending of a file that is read
    here."""
    return " " not in item.strip() and _has_known_ending(item)


def _has_known_ending(item: str) -> bool:
    return Path(item).suffix.lower() in MEDIA_ENDINGS | TABLE_ENDINGS


def of_file(path: Path, id_: str) -> Utterance:
    """A media file as an utterance with the cues that it has; one that cannot be opened is asked for both, so that the
    reason is told where it is read."""
    try:
        told = probe(path)
    except MediaError:
        return Utterance(id_, audio=path, video=path)
    return Utterance(id_, audio=path if told.sample_rate else None, video=path if told.size else None)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a sentence longer than a name may be
        return False


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 40 else words[:39] + "…"


def _told_apart(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Ids that occur twice get the next number that no id has."""
    counts = Counter(u.id for u in utterances)
    taken = set(counts)
    given = []
    for utterance in utterances:
        if counts[utterance.id] > 1:
            free = next(name for n in itertools.count(1) if (name := f"{utterance.id} ({n})") not in taken)
            taken.add(free)
            utterance = replace(utterance, id=free)
        given.append(utterance)
    return given
