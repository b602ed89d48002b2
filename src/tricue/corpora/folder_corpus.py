"""A plain folder of clips with one table (CSV or Parquet) beside them: the way in for one's own recordings.

The table's columns are those of the manifest (data/manifest.py), and one that names the clip: file, filename, path,
clip, name or image. label stands for emotion, transcript and sentence for text, actor for speaker; capitals do not
matter. A clip lies where the name says, seen from the table's folder, else it is the one file of that name anywhere
below. A sound file is the row's audio, a video file its audio and video, a still image its video. Without a column id
the name of the clip is the id. A table that is a manifest already (id, and a modality under its own name) is read as
one.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora.reading import ENCODINGS, files_below, not_the_corpus, some
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels
from tricue.data.manifest import IMAGE, RowReader, known_columns, read_manifest, rival_faults
from tricue.data.table import HEADER_ROW, ManifestError, RowFault, Table
from tricue.data.table_files import read_table
from tricue.data.target_columns import TargetColumns
from tricue.files.atomic import is_file
from tricue.media.formats import MEDIA_ENDINGS, SOUND_ENDINGS, STILL_ENDINGS, VIDEO_ENDINGS
from tricue.registry import MODALITIES
from tricue.tasks.task import make_task
from tricue.types import Fault, InputError, ModalityName, shown

TABLES = (".csv", ".parquet")
FILE_COLUMNS = ("file", "filename", "path", "clip", "name", IMAGE)
ALIASES = {"label": "emotion", "transcript": "text", "sentence": "text", "actor": "speaker"}

Clips = dict[str, list[Path]]  # name -> the files of that name


def read(source: Path, config: Config) -> Corpus:
    """The rows of the one table in `source`, with their clips.

    Rows are never dropped: one without its clip keeps its text, and a Fault per modality names the clip. Clips
    without a row are counted in a note.
    Raises InputError where there is no table or more than one, where no column names the clips, and for a label set
    (a folder has none); ManifestError naming every fault of the rows.
    """
    if config.data.labels:
        raise InputError(f"A folder of clips has no label sets; got {config.data.labels!r}. Leave data.labels empty.")
    path = _table(source)
    root = path.parent
    clips: Clips = defaultdict(list)
    for clip in files_below(root):
        if clip.suffix.lower() in {*MEDIA_ENDINGS, *STILL_ENDINGS} and is_file(clip):  # a pipe is no clip
            clips[clip.name].append(clip)
    corpus = Corpus(root.name, [], emotions=list(config.data.emotions))
    labels = Labels(config.data.emotions, config.data.mapping)
    target = make_task(config).columns(labels)
    wanted = {*map(str.lower, known_columns(target)), *FILE_COLUMNS, *ALIASES}
    table = read_table(path, ENCODINGS, wanted)
    columns = {column.lower() for column in table.columns}
    renamed = any(alias in columns and column not in columns for alias, column in ALIASES.items())
    named = {*MODALITIES, IMAGE} - ({"text"} if columns & {*FILE_COLUMNS} - {IMAGE} else set())
    if "id" in columns and not renamed and columns & named:  # a manifest already
        corpus.utterances.extend(read_manifest(path, target=target))
    else:
        column = next((column for column in FILE_COLUMNS if column in columns), None)
        if column is None:
            header = shown(", ".join(table.columns), 200, quoted=False)
            raise InputError(
                f"{path} has no column that names the clips ({', '.join(FILE_COLUMNS)}), and is no manifest (id, and "
                f"{', '.join(MODALITIES)} or {IMAGE}). Its columns: {header}. Add one, or rename the one meant."
            )
        _add_rows(path, table, column, clips, corpus, target)
    corpus.utterances[:], notes = labels.settle(corpus.utterances)
    corpus.notes.append(f"{root.name}: {len(corpus.utterances):,} rows of {path.name}.")
    corpus.notes.extend(f"{root.name}: {note}." for note in notes)
    used = {path for row in corpus.utterances for path in row.media.values()}
    if unused := [clip.name for found in clips.values() for clip in found if clip not in used]:
        corpus.notes.append(f"{root.name}: clips without a row, left out: {len(unused):,} ({some(unused)}).")
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


def _add_rows(path: Path, table: Table, column: str, clips: Clips, corpus: Corpus, target: TargetColumns) -> None:
    """Each row read as that of a manifest, its clip in place of the column that names it."""
    reader = RowReader(path.parent, target, False, True)
    names = Counter(name.lower() for name in table.columns)
    twice = [name for name, times in names.items() if times > 1]
    faults = [*table.faults, *rival_faults(table, target)]
    for name in twice:
        header = ", ".join(table.columns)
        faults.append(RowFault(HEADER_ROW, name, header, "column stands twice", "keep one of them"))
    if not table.rows and not table.faults:
        faults.append(RowFault(HEADER_ROW + 1, "?", "", "empty table", "give a row per clip"))
    for number, cells in table.rows:
        cells = {name.lower(): cell.strip() for name, cell in cells.items()}
        name = cells.pop(column, "").replace("\\", "/")
        place = path.parent / name  # else all files of its name below the folder
        found = [Path(os.path.normpath(place))] if name and is_file(place) else clips.get(place.name, [])
        fault = _name_fault(number, column, name, found)
        if fault is not None:
            faults.append(fault)
            continue
        modalities = _modalities(name)
        media = dict.fromkeys(modalities, str(found[0])) if found else {}
        utterance = reader.read(number, _manifest_cells(cells, name, reader.columns) | media)
        corpus.utterances.append(utterance)
        lacking = () if found else modalities
        corpus.faults.extend(Fault(utterance.id, own, f"no {name} in {path.parent}") for own in lacking)
    if faults or reader.faults:
        raise ManifestError(path, [*faults, *reader.faults])


def _name_fault(number: int, column: str, name: str, found: list[Path]) -> RowFault | None:
    if not name:
        return RowFault(number, column, name, "no clip named", "name it, or leave the row out")
    if not _modalities(name):
        endings = f"{some(SOUND_ENDINGS)}, {some(VIDEO_ENDINGS)}, {some(STILL_ENDINGS)}"
        return RowFault(number, column, name, "not a sound, video or image file", f"give its name in full ({endings})")
    if len(found) > 1:
        places = ", ".join(map(str, found))
        return RowFault(number, column, name, "several files of that name", f"give the path of one: {places}")
    return None


def _modalities(name: str) -> tuple[ModalityName, ...]:
    """What a file of that name holds."""
    ending = Path(name).suffix.lower()
    if ending in SOUND_ENDINGS:
        return ("audio",)
    if ending in STILL_ENDINGS:
        return ("video",)
    return ("audio", "video") if ending in VIDEO_ENDINGS else ()


def _manifest_cells(cells: dict[str, str], name: str, columns: Sequence[str]) -> dict[str, str]:
    """The cells of a manifest's row. A column under its own name wins over one that stands for it."""
    row = {column: cells[column.lower()] for column in columns if column.lower() in cells}
    for alias, column in ALIASES.items():
        if alias in cells:
            row.setdefault(column, cells[alias])
    return row | {"id": row.get("id") or Path(name).stem}
