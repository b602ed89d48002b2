"""What is to be predicted, however it is named: a media file, a folder of them, a table, words."""

import itertools
import logging
import mimetypes
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tricue.corpora.reading import files_below
from tricue.data.manifest import read_manifest
from tricue.files.atomic import is_file, is_folder
from tricue.media.container import opened
from tricue.media.decoding import MediaError, probe
from tricue.media.formats import MEDIA_ENDINGS, STILL_ENDINGS
from tricue.spelling import listed
from tricue.types import REASON_CHARACTERS, InputError, Utterance, shown, whole_characters

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
    if is_folder(path):
        return "folder"
    if _is_there(path):
        raise InputError(f"{_name(item)}: not a regular file. Give a copy of its content in a file.")
    if not item.strip():
        raise InputError(f"{item!r:.20}: the text is empty; give words in quotes, a file or a folder.")
    if _has_known_ending(item):
        name = _name(item)
        raise InputError(f'{name}: file not found. To classify it as text, append a period: tricue predict "{name}."')
    if item.endswith("/"):
        raise InputError(f"{_name(item)}: folder not found. Check the path.")
    return "words"


def _name(item: str) -> str:
    return shown(item, REASON_CHARACTERS, quoted=False)


def read_inputs(items: Sequence[str], *, without_modalities: bool = False) -> list[Utterance]:
    """One utterance per file, row or text, in the order of `items`, each with an id of its own.

    A folder gives the media files below it, by name, else its still images; the others are named in a warning.
    without_modalities: as for `read_manifest`. Raises InputError for what looks like a file and is none, and for a
    folder without media.
    """
    found: list[Utterance] = []
    for item in items:
        path, kind = Path(item), kind_of(item)
        if kind == "words":
            words = " ".join(item.split())
            short = words if len(words) <= 40 else words[:39] + "…"
            found.append(Utterance(short, text=whole_characters(item)))
        elif kind == "table":
            found += read_manifest(path, for_prediction=True, without_modalities=without_modalities)
        elif kind == "clip":
            found.append(of_file(path, path.name))
        else:
            found += [of_file(file, file.relative_to(path).as_posix()) for file in _media_below(path)]
    return _told_apart(found)


def _media_below(folder: Path) -> list[Path]:
    """The media files below a folder, by name: those with an ending of one, and others that open as a media container;
    where there are none, its still images.

    Hidden files and folders are passed over, and what systems leave in a folder.
    """
    seen = [
        path
        for path in sorted(files_below(folder))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.name.lower() not in _SYSTEM_FILES
    ]
    regular = [path for path in seen if path.is_file()]  # no pipe, no link that leads nowhere
    media = [path for path in regular if path.suffix.lower() in MEDIA_ENDINGS or _opens_as_media(path)]
    media = media or [path for path in regular if path.suffix.lower() in STILL_ENDINGS]
    skipped = [path.relative_to(folder).as_posix() for path in sorted(set(seen) - set(media))]
    if not media:
        there = f"; it holds {_named(skipped)}" if skipped else ""
        raise InputError(f"{folder}: no media file in this folder{there}. Give a folder of .wav, .mp4, ...")
    if skipped:
        are = "file is no media and was" if len(skipped) == 1 else "files are no media and were"
        _LOG.warning("%s: %d %s skipped: %s", folder, len(skipped), are, _named(skipped))
    return media


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
    return listed(list(map(_name, names)), _NAMED)


def is_missing_file(item: str) -> bool:
    """Whether what names no file was surely meant to, even among words: one word with the ending of a file that is read
    here."""
    return " " not in item.strip() and _has_known_ending(item)


def _has_known_ending(item: str) -> bool:
    return Path(item).suffix.lower() in MEDIA_ENDINGS | {*STILL_ENDINGS, *TABLE_ENDINGS}


def of_file(path: Path, id_: str) -> Utterance:
    """A media file as an utterance with the modalities that it has; one that cannot be opened is asked for both, so
    that the reason is told where it is read."""
    try:
        told = probe(path)
    except MediaError:
        return Utterance(id_, audio=path, video=path)
    return Utterance(id_, audio=path if told.sample_rate else None, video=path if told.size else None)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a sentence longer than a name may be
        return False


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
