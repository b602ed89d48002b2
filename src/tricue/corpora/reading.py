"""What the readers of corpora share: labels, files and texts as published, notes, and one clear error."""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tricue.config.settings import Config
from tricue.data.manifest import MEDIA
from tricue.data.table import MAX_TEXT_BYTES
from tricue.files.atomic import is_file
from tricue.types import Fault, InputError, InvalidFileError, ModalityName, Split, Utterance

ENCODINGS = ("utf-8-sig", "cp1252")  # copies in circulation were saved by spreadsheets
# ... and some hold the control character U+0092 where cp1252 has a curly quote: "company\x92s"
CURLY = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz")

Recordings = dict[str, dict[str, Path]]  # recording -> form (what its name or ending says) -> file


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
        raise InputError(f"{name} has {', '.join(absent)}, which data.emotions lacks. Name all, or leave it empty.")
    return labels, list(config.data.emotions)


def files_below(folder: Path) -> Iterator[Path]:
    """The files below a folder, in order, without those that macOS leaves beside them (`._*`)."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("._"))


def find_once(what: str, source: Path, places: Iterable[Sequence[str]]) -> list[Path]:
    """What is found below `source` at the first place that has any. places: the glob patterns of each.

    Raises InputError where several folders hold it: a guess would mix two copies of the corpus.
    """
    for patterns in places:
        found = sorted(path for pattern in patterns for path in source.glob(pattern))
        folders = sorted({path.parent for path in found})
        if len(folders) > 1:
            raise InputError(
                f"{what} stands more than once in {source}: {', '.join(map(str, folders))}. Give the folder of one "
                "copy (SOURCE or --data_dir)."
            )
        if found:
            return found
    return []


def find_recordings(
    source: Path, endings: Collection[str], identify: Callable[[Path], tuple[str, str] | None]
) -> tuple[Recordings, list[str]]:
    """The media below `source` by what their names say, wherever they lie, and the names that say nothing.

    identify: recording and form of a file; None where it has another name.
    Raises InputError where two files are the same form of a recording.
    """
    recordings: Recordings = defaultdict(dict)
    others = []
    for path in files_below(source.resolve()):
        if path.suffix.lower() not in endings:
            continue
        if (name := identify(path)) is None:
            others.append(path.name)
            continue
        recording, form = name
        if (other := recordings[recording].setdefault(form, path)) != path:
            raise InputError(f"{recording} stands twice in {source}: {other} and {path}. Keep one of them.")
    return dict(sorted(recordings.items())), others


def first_of(files: Mapping[str, Path], forms: Iterable[str]) -> Path | None:
    """The file of the first form that is there."""
    return next((files[form] for form in forms if form in files), None)


def split_of(actor: int, last_train: int, last_val: int) -> Split:
    """Where a corpus without published splits is split by its actors' numbers."""
    return "train" if actor <= last_train else "val" if actor <= last_val else "test"


def missing_media(
    rows: Sequence[Utterance],
    reason: Callable[[Utterance, ModalityName], str],
    group: Callable[[Utterance], Hashable] = lambda row: None,
) -> Iterator[Fault]:
    """A fault for every row without the sound or the picture that other rows of its group have."""
    there = {(group(row), modality) for row in rows for modality in MEDIA if row.source(modality)}
    for row in rows:
        for modality in MEDIA:
            if row.source(modality) is None and (group(row), modality) in there:
                yield Fault(row.id, modality, reason(row, modality))


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


def some(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, for a note that counts them."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def not_the_corpus(name: str, source: Path, expected: str, remedy: str) -> InputError:
    """The error for a folder that is not the corpus: what was expected, what was found, what to do.

    expected, remedy: parts of a sentence, without a full stop. An archive that was not unpacked is named as such.
    """
    names = sorted(path.name for path in source.iterdir()) if source.is_dir() else []
    archives = [name for name in names or [source.name] if name.lower().endswith(ARCHIVES)]
    if source.is_file():
        found = "an archive that is not unpacked yet" if archives else "a file, not a folder"
    elif not source.is_dir():
        found = "no such folder"
    elif archives:
        found = f"archives that are not unpacked yet ({some(archives, 10)}): unpack them there"
    else:
        found = some(names, 10) or "an empty folder"
    return InputError(f"No {name} in {source}: expected {expected}; found {found}. {remedy}.")
