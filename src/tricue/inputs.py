"""What is to be predicted, however it is named: a media file, a folder of them, a table, words."""

from __future__ import annotations

import itertools
import logging
import mimetypes
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tricue.data.manifest import read_manifest
from tricue.data.reading import files_below
from tricue.features.container import opened
from tricue.features.formats import MEDIA_ENDINGS
from tricue.features.media import MediaError, probe
from tricue.files import is_file
from tricue.types import InputError, Utterance, quoted, whole_characters

_LOG = logging.getLogger(__name__)
_NAMED = 5  # files that a message names; of the others it gives the number
_SYSTEM_FILES = frozenset(["thumbs.db", "desktop.ini"])
_UNKNOWN = "application/octet-stream"
_PICTURES = frozenset([".heic", ".heif", ".avif"])  # their format is that of mp4
_CONTAINERS = frozenset([  # FFmpeg's formats that say what they are; a bare stream may be anything
    "mov", "mp4", "matroska", "webm", "avi", "wav", "w64", "rf64", "aiff", "caf", "flac", "ogg", "au", "mpegts", "mpeg",
    "flv", "asf", "mxf", "rm",
])  # fmt: skip
TABLE_ENDINGS = frozenset([".csv", ".parquet"])
Kind = Literal["words", "clip", "folder", "table"]


def kind_of(item: str) -> Kind:
    """Tell what an item of the command line is.

    Raises:
        InputError: The item is blank, names a pipe or a device, or ends like a file or a folder and there is none.
    """
    path = Path(item)
    if is_file(path):
        return "table" if path.suffix.lower() in TABLE_ENDINGS else "clip"
    if _is_folder(path):
        return "folder"
    if _is_there(path):
        raise InputError(f"{quoted(item)}: not a regular file. Give a copy of its content in a file.")
    if not item.strip():
        raise InputError(f"{item!r:.20}: the text is empty; give words in quotes, a file or a folder.")
    if _has_known_ending(item):
        name = quoted(item)
        raise InputError(
            f'{name}: file not found. To classify it as text, append a period: tricue predict "{name}."'
        )
    if item.endswith("/"):
        raise InputError(f"{quoted(item)}: folder not found. Check the path.")
    return "words"


def read_inputs(items: Sequence[str], *, without_cues: bool = False) -> list[Utterance]:
    """One utterance per file, row or text, in the order of `items`, each with an id of its own.

    A folder gives the media files below it, by name; the others are named in a warning. without_cues: as for
    `read_manifest`. Raises InputError for what looks like a file and is none, and for a folder without media.
    """
    found = [utterance for item in items for utterance in _read(item, without_cues)]
    return _told_apart(found)


def _read(item: str, without_cues: bool) -> Iterator[Utterance]:
    path, kind = Path(item), kind_of(item)
    if kind == "words":
        yield Utterance(_short(item), text=whole_characters(item))
    elif kind == "table":
        yield from read_manifest(path, for_prediction=True, without_cues=without_cues)
    elif kind == "clip":
        yield of_file(path, path.name)
    else:
        for file in _media_below(path):
            yield of_file(file, file.relative_to(path).as_posix())


def _media_below(folder: Path) -> list[Path]:
    """The media files below a folder, by name: those with an ending of one, and others that open as a media container.

    Hidden files and folders are passed over, and what systems leave in a folder.
    """
    seen = [path for path in sorted(files_below(folder)) if not _is_hidden(path.relative_to(folder))]
    regular = [path for path in seen if path.is_file()]  # no pipe, no link that leads nowhere
    media = [path for path in regular if path.suffix.lower() in MEDIA_ENDINGS or _opens_as_media(path)]
    skipped = [path.relative_to(folder).as_posix() for path in sorted(set(seen) - set(media))]
    if not media:
        there = f"; it holds {_named(skipped)}" if skipped else ""
        raise InputError(f"{folder}: no media file in this folder{there}. Give a folder of .wav, .mp4, ...")
    if skipped:
        told = (
            "1 file is no media and was"
            if len(skipped) == 1
            else f"{len(skipped)} files are no media and were"
        )
        _LOG.warning("%s: %s skipped: %s", folder, told, _named(skipped))
    return media


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name.lower() in _SYSTEM_FILES


def _opens_as_media(path: Path) -> bool:
    """Whether a file without a media ending is one: bare streams and pictures are not told from other files."""
    kind = mimetypes.guess_type(path.name)[0] or _UNKNOWN
    if path.suffix.lower() in _PICTURES or not kind.startswith(("audio/", "video/", _UNKNOWN)):
        return False  # a table, a page, an archive
    try:
        with opened(path) as container:
            named = set(container.format.name.split(","))
            return bool(named & _CONTAINERS and (container.streams.audio or container.streams.video))
    except MediaError:
        return False


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(quoted, names[:_NAMED])) + more


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


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 40 else words[:39] + "…"


def _told_apart(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Ids that occur twice get the next number that no id has; all can be printed, whatever a file's name holds."""
    utterances = [u if u.id.isascii() else replace(u, id=whole_characters(u.id)) for u in utterances]
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
