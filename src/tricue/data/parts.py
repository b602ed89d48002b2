"""A corpus in three folders, train, dev and test: each is a split, whatever it holds says of itself.

In each lies a manifest.csv, or a copy of the corpus's published layout.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tricue.config import Config
from tricue.data.corpus import Corpus, Count
from tricue.data.labels import Labels
from tricue.data.manifest import SPLIT_NAMES, read_manifest
from tricue.data.prepared import MANIFEST
from tricue.files import is_file
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
        if is_file(folder / MANIFEST):
            listed[split] = _read_manifest(folder / MANIFEST, labels(), corpus)
            continue
        own = reader(folder, config)
        corpus.utterances.extend(replace(row, split=split) for row in own.utterances)
        corpus.faults.extend(own.faults)
        corpus.notes.extend(f"{note} ({folder.name}/)" for note in own.notes)
        for count in own.counts:
            counts[count.what].append(count)
    renumbered = _renumbered(listed.values())
    for split, rows in listed.items():
        corpus.utterances.extend(_placed(row, split, parts[split].name, renumbered) for row in rows)
    corpus.counts.extend(replace(own[0], found=sum(c.found for c in own)) for own in counts.values())
    counted = ", ".join(f"{folder.name}/ {_rows(corpus, split):,}" for split, folder in parts.items())
    corpus.notes.append(f"{name}: split by its folders: {counted} rows.")
    return corpus


def _read_manifest(path: Path, labels: Labels, corpus: Corpus) -> list[Utterance]:
    rows = read_manifest(path, emotions=labels.classes, labels=labels, without_cues=True)
    settled, notes = labels.settle(rows)
    corpus.notes.extend(f"{corpus.name}: {note} ({path.parent.name}/)." for note in notes)
    return settled


def _renumbered(parts: Iterable[list[Utterance]]) -> bool:
    """Whether an id names different rows in two parts. The same row in two parts keeps its id: it is a leak."""
    first: dict[str, Utterance] = {}
    return any(_content(first.setdefault(row.id, row)) != _content(row) for rows in parts for row in rows)


def _content(row: Utterance) -> tuple[object, ...]:
    files = [path.name if path is not None else None for path in (row.audio, row.video)]
    return row.text, *files, row.start, row.end


def _placed(row: Utterance, split: Split, folder: str, renumbered: bool) -> Utterance:
    if not renumbered:
        return replace(row, split=split)
    dialogue = None if row.dialogue is None else f"{folder}/{row.dialogue}"
    return replace(row, split=split, id=f"{folder}/{row.id}", dialogue=dialogue)


def _rows(corpus: Corpus, split: Split) -> int:
    return sum(row.split == split for row in corpus.utterances)
