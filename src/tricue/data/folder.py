"""A plain folder of clips with one table (CSV or Parquet) beside them: the way in for one's own recordings.

The table's columns are those of the manifest (data/manifest.py), and one that names the clip: file, filename, path,
clip or name. label stands for emotion, transcript and sentence for text, actor for speaker; capitals do not matter.
A clip lies where the name says, seen from the table's folder, else it is the one file of that name anywhere below.
A sound file is the row's audio; a video file is its audio and video. Without a column id the name of the clip is the
id. A table that is a manifest already (id, and audio, video or text) is read as one.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tricue.config import Config
from tricue.data.corpus import Corpus, not_the_corpus
from tricue.data.joined import known_labels
from tricue.data.manifest import COLUMNS, MEDIA, OPTIONAL_COLUMNS, RowReader, read_manifest
from tricue.data.reading import ENCODINGS, files_below, some
from tricue.data.table import HEADER_ROW, ManifestError, RowFault, Table, read_table
from tricue.features.formats import MEDIA_ENDINGS, SOUND_ENDINGS, VIDEO_ENDINGS
from tricue.files import is_file
from tricue.types import Cue, Fault, InputError

TABLES = (".csv", ".parquet")
FILE_COLUMNS = ("file", "filename", "path", "clip", "name")
ALIASES = {"label": "emotion", "transcript": "text", "sentence": "text", "actor": "speaker"}

Clips = dict[str, list[Path]]  # name -> the files of that name


def read(source: Path, config: Config) -> Corpus:
    """The rows of the one table in `source`, with their clips.

    Rows are never dropped: one without its clip keeps its text, and a Fault per cue names the clip. Clips without a
    row are counted in a note.
    Raises InputError where there is no table or more than one, where no column names the clips, and for a label set
    (a folder has none); ManifestError naming every fault of the rows.
    """
    if config.data.labels:
        raise InputError(
            f"A folder of clips has no label sets; got {config.data.labels!r}. Leave data.labels empty."
        )
    path = _table(source)
    root = path.parent
    clips: Clips = defaultdict(list)
    for clip in files_below(root):
        if clip.suffix.lower() in MEDIA_ENDINGS:
            clips[clip.name].append(clip)
    corpus = Corpus(root.name, [], emotions=list(config.data.emotions))
    table = read_table(path, ENCODINGS)
    columns = {column.lower() for column in table.columns}
    if _is_manifest(columns):
        rename = known_labels(config.data, several=False)
        corpus.utterances.extend(read_manifest(path, emotions=config.data.emotions or None, rename=rename))
    else:
        column = next((column for column in FILE_COLUMNS if column in columns), None)
        if column is None:
            raise InputError(
                f"{path} has no column that names the clips ({', '.join(FILE_COLUMNS)}), and is no manifest (id, and "
                f"audio, video or text). Its columns: {', '.join(table.columns)}. Add one, or rename the one meant."
            )
        _add_rows(path, table, column, clips, corpus, config)
    corpus.notes.append(f"{root.name}: {len(corpus.utterances):,} rows of {path.name}.")
    corpus.notes.extend(_unused(clips, corpus))
    return corpus


def _table(source: Path) -> Path:
    names = sorted(source.iterdir()) if source.is_dir() else []
    tables = [path for path in names if path.suffix.lower() in TABLES and not path.name.startswith(".")]
    if not tables:
        raise not_the_corpus(
            "table of clips",
            source,
            "one CSV or Parquet file beside the clips, with a column file and a column emotion",
            "Write one, or give the folder that holds it (SOURCE or --data_dir)",
        )
    if len(tables) > 1:
        raise InputError(
            f"{source} holds several tables: {', '.join(path.name for path in tables)}. Keep one of them there, or "
            "give one as --manifest FILE."
        )
    return source.resolve() / tables[0].name


def _is_manifest(columns: set[str]) -> bool:
    """Whether a table can be read as it is: it has ids and cues, and no column under another name."""
    renamed = any(alias in columns and column not in columns for alias, column in ALIASES.items())
    named = not columns.isdisjoint(FILE_COLUMNS)
    with_media = not columns.isdisjoint(MEDIA)
    return "id" in columns and not renamed and (with_media or ("text" in columns and not named))


def _add_rows(path: Path, table: Table, column: str, clips: Clips, corpus: Corpus, config: Config) -> None:
    """Each row read as that of a manifest, its clip in place of the column that names it."""
    rename = known_labels(config.data, several=False)
    reader = RowReader(path.parent, config.data.emotions or None, False, True, rename)
    faults = [*table.faults, *_header_faults(table)]
    for number, cells in table.rows:
        cells = {name.lower(): cell.strip() for name, cell in cells.items()}
        name = cells[column].replace("\\", "/")
        found = _places(name, path.parent, clips)
        fault = _name_fault(number, column, name, found)
        if fault is not None:
            faults.append(fault)
            continue
        cues = _cues(name)
        utterance = reader.read(number, _manifest_cells(cells, name, {cue: found for cue in cues}))
        corpus.utterances.append(utterance)
        if not found:
            corpus.faults.extend(Fault(utterance.id, cue, f"no {name} in {path.parent}") for cue in cues)
    if faults or reader.faults:
        raise ManifestError(path, [*faults, *reader.faults])


def _header_faults(table: Table) -> Iterator[RowFault]:
    header = ", ".join(table.columns)
    for column, times in Counter(column.lower() for column in table.columns).items():
        if times > 1:
            yield RowFault(HEADER_ROW, column, header, "column stands twice", "keep one of them")
    if not table.rows and not table.faults:
        yield RowFault(HEADER_ROW + 1, "?", "", "empty table", "give a row per clip")


def _places(name: str, root: Path, clips: Clips) -> list[Path]:
    """Where the clip lies: under its path, else all files of its name below the folder."""
    target = root / name
    if name and is_file(target):
        return [Path(os.path.normpath(target))]
    return clips.get(Path(name).name, [])


def _name_fault(number: int, column: str, name: str, found: list[Path]) -> RowFault | None:
    if not name:
        return RowFault(number, column, name, "no clip named", "name it, or leave the row out")
    if not _cues(name):
        endings = f"{some(SOUND_ENDINGS)}, {some(VIDEO_ENDINGS)}"
        return RowFault(
            number, column, name, "not a sound or video file", f"give its name in full ({endings})"
        )
    if len(found) > 1:
        places = ", ".join(map(str, found))
        return RowFault(number, column, name, "several files of that name", f"give the path of one: {places}")
    return None


def _cues(name: str) -> tuple[Cue, ...]:
    """What a file of that name holds."""
    ending = Path(name).suffix.lower()
    if ending in SOUND_ENDINGS:
        return ("audio",)
    return ("audio", "video") if ending in VIDEO_ENDINGS else ()


def _manifest_cells(cells: dict[str, str], name: str, media: dict[Cue, list[Path]]) -> dict[str, str]:
    """The cells of a manifest's row. A column under its own name wins over one that stands for it."""
    row = {column: cells[column] for column in (*COLUMNS, *OPTIONAL_COLUMNS) if column in cells}
    for alias, column in ALIASES.items():
        if alias in cells:
            row.setdefault(column, cells[alias])
    row["id"] = row.get("id") or Path(name).stem
    return row | {cue: str(found[0]) for cue, found in media.items() if found}


def _unused(clips: Clips, corpus: Corpus) -> Iterator[str]:
    used = {path for row in corpus.utterances for path in (row.audio, row.video)}
    unused = [clip for found in clips.values() for clip in found if clip not in used]
    if unused:
        shown = some([clip.name for clip in unused])
        yield f"{corpus.name}: clips without a row, left out: {len(unused):,} ({shown})."
