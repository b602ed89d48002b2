"""What `tricue prepare` leaves: a manifest, and beside it the record of which corpus and which protocol it holds."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tricue import __version__
from tricue.config.settings import Config
from tricue.data.corpus import Corpus, Count
from tricue.data.manifest import read_manifest, write_manifest
from tricue.data.table import MAX_TEXT_BYTES
from tricue.data.target_columns import TargetColumns
from tricue.files.atomic import file_digest
from tricue.files.json_files import write_json
from tricue.types import Fault, InputError, InvalidFileError, shown

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
    counts: list[Count]
    notes: list[str]
    faults: list[Fault]  # modalities that should be there and are not
    manifest_sha256: str
    tricue: str  # version


def write_prepared(
    corpus: Corpus, folder: Path, source: str, labels: str = "", target: TargetColumns | None = None
) -> Record:
    """Write the corpus as `folder`/manifest.csv and its record, which comes last: without it nothing is prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    write_manifest(corpus.utterances, folder / MANIFEST, target)
    record = Record(
        corpus=corpus.name, labels=labels, emotions=corpus.emotions, protocol="official", source=source,
        rows=dict(Counter(u.split or "train" for u in corpus.utterances)),
        unlabelled=sum(u.label is None for u in corpus.utterances),
        counts=corpus.counts, notes=corpus.notes, faults=corpus.faults,
        manifest_sha256=file_digest(folder / MANIFEST), tricue=__version__,
    )  # fmt: skip
    write_json(folder / RECORD, asdict(record))
    return record


def record_beside(manifest: Path) -> Record | None:
    """The record of a manifest that `tricue prepare` wrote; None for any other.

    Raises InvalidFileError where the record is damaged.
    """
    path = manifest.with_name(RECORD)
    if manifest.name != MANIFEST or not path.is_file():
        return None
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise InvalidFileError(f"{path} is damaged (too large): run tricue prepare again.")
    try:
        return TypeAdapter(Record).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:  # not JSON in UTF-8, or not these fields
        fault = error.errors(include_input=False)[0]
        reason = ": ".join([*map(str, fault["loc"][:3]), fault["msg"]])
        raise InvalidFileError(
            f"{path} is damaged ({shown(reason, 150, quoted=False)}): run tricue prepare again."
        ) from error


def classes_of(record: Record, config: Config) -> list[str]:
    """The classes that the labels of a prepared corpus are read as: a label set that was named has its own."""
    return record.emotions if record.labels else config.data.emotions or record.emotions


def read_prepared(manifest: Path, record: Record, config: Config, target: TargetColumns) -> Corpus:
    """The corpus again, as its reader gave it. target: as in `read_manifest`.

    Raises InputError where another label set is asked for, and what `read_manifest` raises.
    """
    if config.data.labels and config.data.labels != record.labels:
        raise InputError(
            f"{manifest} was prepared with the labels {record.labels or 'that the corpus has by default'!r}; for "
            f"{config.data.labels!r} run tricue prepare {record.corpus} {record.source} --labels {config.data.labels}"
        )
    utterances = read_manifest(manifest, target=target, without_modalities=True)
    notes = [*record.notes, f"{record.corpus}: {len(utterances):,} rows of {manifest}."]
    if file_digest(manifest) != record.manifest_sha256:
        notes.append(f"{manifest} has changed since it was prepared; {RECORD} beside it may not fit any more.")
    return Corpus(
        record.corpus, utterances, record.faults, notes, record.emotions, record.counts, record.labels,
        folder=Path(record.source),  # what lay beside the published files is still there
    )  # fmt: skip
