"""What `tricue prepare` leaves: a manifest, and beside it the record of which corpus and which protocol it holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tricue import __version__
from tricue.config import Config
from tricue.data.corpus import Corpus, Count
from tricue.data.labels import Labels
from tricue.data.manifest import read_manifest, write_manifest
from tricue.files import file_digest, write_json
from tricue.types import Fault, InputError

MANIFEST, RECORD = "manifest.csv", "corpus.json"


@dataclass(frozen=True)
class Record:
    """corpus.json: what the manifest beside it holds."""

    corpus: str
    labels: str  # label set, as `data.labels` names it; empty: the reader's first
    emotions: list[str]
    protocol: str  # of the split column
    source: str
    rows: dict[str, int]  # per split
    unlabelled: int
    counts: list[dict[str, Any]]
    notes: list[str]
    faults: list[dict[str, str]]  # cues that should be there and are not
    manifest_sha256: str
    tricue: str  # version


def write_prepared(corpus: Corpus, folder: Path, source: str, labels: str = "") -> Record:
    """Write the corpus as `folder`/manifest.csv and its record, which comes last: without it nothing is prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    write_manifest(corpus.utterances, folder / MANIFEST)
    record = Record(
        corpus=corpus.name,
        labels=labels,
        emotions=corpus.emotions,
        protocol="official",
        source=source,
        rows=dict(Counter(u.split or "train" for u in corpus.utterances)),
        unlabelled=sum(u.emotion is None for u in corpus.utterances),
        counts=[asdict(count) for count in corpus.counts],
        notes=corpus.notes,
        faults=[asdict(fault) for fault in corpus.faults],
        manifest_sha256=file_digest(folder / MANIFEST),
        tricue=__version__,
    )
    write_json(folder / RECORD, asdict(record))
    return record


def record_beside(manifest: Path) -> Record | None:
    """The record of a manifest that `tricue prepare` wrote; None for any other.

    Raises InputError where the record is damaged.
    """
    path = manifest.with_name(RECORD)
    if manifest.name != MANIFEST or not path.is_file():
        return None
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:  # not JSON, or not these fields
        raise InputError(f"{path} is damaged ({error}): run tricue prepare again.") from error


def classes_of(record: Record, config: Config) -> list[str]:
    """The classes that the labels of a prepared corpus are read as: a label set that was named has its own."""
    return record.emotions if record.labels else config.data.emotions or record.emotions


def read_prepared(manifest: Path, record: Record, config: Config, labels: Labels) -> Corpus:
    """The corpus again, as its reader gave it. labels: as in `read_manifest`.

    Raises InputError where another label set is asked for, and what `read_manifest` raises.
    """
    if config.data.labels and config.data.labels != record.labels:
        raise InputError(
            f"{manifest} was prepared with the labels {record.labels or 'that the corpus has by default'!r}; for "
            f"{config.data.labels!r} run tricue prepare {record.corpus} {record.source} --labels {config.data.labels}"
        )
    # a label set that was named has classes of its own
    emotions = record.emotions if record.labels else config.data.emotions
    utterances = read_manifest(manifest, emotions=emotions or None, labels=labels, without_cues=True)
    notes = [*record.notes, f"{record.corpus}: {len(utterances):,} rows of {manifest}."]
    if file_digest(manifest) != record.manifest_sha256:
        notes.append(
            f"{manifest} has changed since it was prepared; {RECORD} beside it may not fit any more."
        )
    return Corpus(
        record.corpus,
        utterances,
        [Fault(**fault) for fault in record.faults],  # type: ignore[arg-type]
        notes,
        record.emotions,
        [Count(**count) for count in record.counts],
        record.labels,
        Path(record.source),  # what lay beside the published files is still there
    )
