"""A corpus in three folders, train, dev and test: each is a split, whatever it holds says of itself.

In each lies a manifest.csv, or a copy of the corpus's published layout.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tricue.config.settings import Config
from tricue.data.corpus import Corpus, Count
from tricue.data.labels import Labels
from tricue.data.manifest import SPLIT_NAMES, read_manifest
from tricue.data.prepared import MANIFEST
from tricue.files.atomic import is_file
from tricue.types import InputError, Split, Utterance

Holds = Callable[[Path], bool]  # whether a folder holds a corpus's published layout
Reader = Callable[[Path, Config], Corpus]


def find_parts(source: Path, holds: Holds) -> dict[Split, Path]:
    """The folders of `source` that are splits and hold a part of the corpus; none where it is not divided so.

    Raises InputError where two of them are the same split (dev and val).
    """
    found: dict[Split, Path] = {}
    for folder in sorted(source.iterdir()) if source.is_dir() else ():
        split = SPLIT_NAMES.get(folder.name.lower())
        if split is None or not folder.is_dir() or not (is_file(folder / MANIFEST) or holds(folder)):
            continue
        if split in found:
            raise InputError(
                f"{source} holds {found[split].name}/ and {folder.name}/, which are one split. Keep one of them."
            )
        found[split] = folder
    return dict(sorted(found.items(), key=lambda part: ("train", "val", "test").index(part[0])))


def read_parts(
    parts: Mapping[Split, Path], name: str, labels: Callable[[], Labels], config: Config, reader: Reader
) -> Corpus:
    """One corpus of all parts. labels: reads those of a manifest, with the corpus's classes. reader: of the
    published layout.

    Where manifests number their rows or dialogues anew in each part, the part's name is put before them.
    Raises what `read_manifest` and the reader raise.
    """
    corpus = Corpus(name, [], emotions=labels().classes)
    counts: dict[str, list[Count]] = defaultdict(list)
    listed: dict[Split, list[Utterance]] = {}
    for split, folder in parts.items():
        path = folder / MANIFEST
        if is_file(path):
            known = labels()
            rows = read_manifest(path, emotions=known.classes, labels=known, without_modalities=True)
            listed[split], notes = known.settle(rows)
            corpus.notes.extend(f"{name}: {note} ({folder.name}/)." for note in notes)
            continue
        own = reader(folder, config)
        corpus.utterances.extend(replace(row, split=split) for row in own.utterances)
        corpus.faults.extend(own.faults)
        corpus.notes.extend(f"{note} ({folder.name}/)" for note in own.notes)
        for count in own.counts:
            counts[count.what].append(count)
    first: dict[str, Utterance] = {}  # the same row in two parts keeps its id: it is a leak
    every = [row for rows in listed.values() for row in rows]
    renumbered = any(_content(first.setdefault(row.id, row)) != _content(row) for row in every)
    for split, rows in listed.items():
        place = parts[split].name
        for row in rows:
            dialogue = row.dialogue and f"{place}/{row.dialogue}"
            own_names = {"id": f"{place}/{row.id}", "dialogue": dialogue} if renumbered else {}
            corpus.utterances.append(replace(row, split=split, **own_names))  # type: ignore[arg-type]
    corpus.counts.extend(replace(own[0], found=sum(c.found for c in own)) for own in counts.values())
    sizes = Counter(row.split for row in corpus.utterances)
    counted = ", ".join(f"{folder.name}/ {sizes[split]:,}" for split, folder in parts.items())
    corpus.notes.append(f"{name}: split by its folders: {counted} rows.")
    return corpus


def _content(row: Utterance) -> tuple[object, ...]:
    files = [path.name if path is not None else None for path in (row.audio, row.video)]
    return row.text, *files, row.start, row.end
