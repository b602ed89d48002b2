"""The manifest: one row per utterance, CSV or Parquet, read with every fault named in one message.

Columns: `id` (unique), `text`, `audio`, `video` and those of plugins' modalities (paths relative to the manifest's
folder), `image` (in place of `video`: a still image, a video of one frame), `start`, `end` (seconds), `emotion`,
`speaker`, `dialogue`, `turn`, `split`. Only `id` and one of the modalities must be there; other columns are ignored. A
task other than the categorical has columns of its own in place of `emotion`. In CSV, cells that a spreadsheet would run
are guarded by an apostrophe (spreadsheet.py). Written only where they are needed: `session` (what `loso` leaves out),
`corpus`, `crop` (`left` or `right`: the half of the picture that shows the speaker) and `cut` (the modality whose file
holds the utterance alone, so `start` and `end` are of the other files).
"""

import csv
import io
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from tricue.data.labels import Labels
from tricue.data.table import HEADER_ROW, ManifestError, RowFault, Table
from tricue.data.table_files import read_table
from tricue.data.target_columns import EmotionColumn, TargetColumns
from tricue.files.atomic import is_file, replaced_file
from tricue.files.spreadsheet import guarded, unguarded
from tricue.registry import MODALITIES
from tricue.spelling import WHOLE_NUMBER
from tricue.types import SIDES, SPLITS, InputError, Label, ModalityName, Split, Utterance, shown

Name = TypeVar("Name", bound=str)
PLAIN_NUMBER = re.compile(r"[-+.\deE]+", re.ASCII)  # Python reads 1_0 and digits of other scripts, too

TARGET = "emotion"  # its place in a table is that of the task's columns
COLUMNS = (
    "id", "text", "audio", "video", "start", "end", TARGET, "speaker", "dialogue", "turn", "split",
)  # fmt: skip
OPTIONAL_COLUMNS = ("session", "corpus", "crop", "cut")
SPLIT_NAMES: dict[str, Split] = {
    **{split: split for split in SPLITS}, "dev": "val", "valid": "val", "validation": "val",
}  # fmt: skip
IMAGE = "image"  # column of a still, which is a video of one frame
MEDIA = ("audio", "video")  # columns that hold paths; those of plugins' modalities do, too
ANY_MODALITY = "text/audio/video"  # where a fault is about all columns of modalities
NEEDED = {  # column -> what to do where it is missing
    "id": "give a header row with a column id that names each row, and commas between columns",
    "emotion": "give a column emotion with the label of each row",
    ANY_MODALITY: "give at least one column of text, audio, video, image",
}
OTHER_NAMES = {  # what tables often call a column
    "label": "emotion", "labels": "emotion", "emotion_label": "emotion", "class": "emotion", "target": "emotion",
    "sentiment": "emotion",
    "transcript": "text", "sentence": "text", "utterance": "text", "file": "audio", "filename": "audio",
    "path": "audio", "clip": "audio", "name": "id", "key": "id", "utterance_id": "id",
}  # fmt: skip
CLOSE = 0.8  # of the letters: Emotions, émotion, txt


def read_manifest(
    path: Path,
    *,
    emotions: Sequence[str] | None = None,
    need_label: bool = False,
    for_prediction: bool = False,
    labels: Labels | None = None,
    without_modalities: bool = False,
    target: TargetColumns | None = None,
) -> list[Utterance]:
    """The utterances of a CSV or Parquet manifest, in its order, with absolute paths.

    emotions: the known labels (None: any). labels: reads them, by default in any spelling of `emotions`. target: the
    columns of another task, which read its labels. need_label: a row without one is a fault. for_prediction: ids may
    be left out (`row-2` is the first row, as a spreadsheet counts), and a row with a missing file or without any
    modality is kept: rows in = rows out, and the prediction says what was missing. without_modalities: a row without
    any modality is kept: a corpus's that lost its clip, or one whose features lie in a file.
    Raises ManifestError naming every fault, InputError where there is no such file or it is of another kind.
    """
    path = Path(path)
    target = target or EmotionColumn(emotions, labels)
    known = known_columns(target)
    table = read_table(path, wanted={column.lower() for column in known})
    if any(fault.row == HEADER_ROW for fault in table.faults):  # without a header no row means anything
        raise ManifestError(path, table.faults)
    needed = [
        *(["id"] if not for_prediction else []), *(target.columns if need_label else []),
        *([ANY_MODALITY] if not without_modalities else []),
    ]  # fmt: skip
    unused = {*target.columns, "split"} if for_prediction else set()
    misspelt = list(_misspelt(table, set(known) - unused))
    header_faults = [*misspelt, *_header_faults(table, needed, {fault.column for fault in misspelt}, known, target)]
    if not for_prediction:
        header_faults += rival_faults(table, target)
    reader = RowReader(path.resolve().parent, target, need_label, for_prediction, without_modalities)
    plain = unguarded if path.suffix.lower() == ".csv" else str
    utterances = [
        reader.read(number, {column: plain(cell) for column, cell in cells.items()}) for number, cells in table.rows
    ]
    explained = {fault.column for fault in header_faults}  # a missing column is one fault, not one per row
    explained |= {ANY_MODALITY} if explained & set(MODALITIES) else set()
    faults = [*table.faults, *header_faults, *(f for f in reader.faults if f.column not in explained)]
    if faults:
        raise ManifestError(path, faults)
    return utterances


def write_manifest(utterances: Sequence[Utterance], path: Path, target: TargetColumns | None = None) -> None:
    """Writes CSV or Parquet, by the ending; paths relative to the manifest's folder. Atomic.

    target: the columns of another task than the categorical. `read_manifest` gives the same utterances back. Raises
    InputError for another ending.
    """
    path = Path(path)
    write = {".csv": _csv_bytes, ".parquet": _parquet_bytes}.get(path.suffix.lower())
    if write is None:
        raise InputError(f"A manifest ends in .csv or .parquet; got {path}.")
    target = target or EmotionColumn()
    rows = [_cells(utterance, path.resolve().parent, target) for utterance in utterances]
    content = write(rows, _columns(rows, target))
    with replaced_file(path) as part:
        part.write_bytes(content)


def _columns_with(target: TargetColumns) -> list[str]:
    """COLUMNS, with those of the task in their place."""
    place = COLUMNS.index(TARGET)
    return [*COLUMNS[:place], *target.columns, *COLUMNS[place + 1 :]]


def known_columns(target: TargetColumns) -> list[str]:
    """The columns that are read where the task has these."""
    return [*_columns_with(target), IMAGE, *OPTIONAL_COLUMNS, *_plugin_columns()]


def _plugin_columns() -> list[ModalityName]:
    """Columns of modalities that plugins add: paths, as of audio and video."""
    return [modality for modality in MODALITIES if modality not in COLUMNS]


def rival_faults(table: Table, target: TargetColumns) -> Iterator[RowFault]:
    """Columns of two tasks at once, where nothing says which is meant."""
    own = [column for column in target.columns if column in table.columns]
    rivals = _rivals(table, target)
    if own and rivals:
        kind = f"columns of two tasks, {' and '.join([own[0], *rivals])}"
        if own[0] in rivals:
            kind = "a column of another task"
        choices = ", or ".join(_choices(rivals))
        remedy = f"choose one: --task categorical, or {choices}"
        yield RowFault(HEADER_ROW, own[0], ", ".join(table.columns), kind, remedy)


def _choices(rivals: Mapping[str, str]) -> Iterator[str]:
    """Each way to choose once, with all of its columns."""
    for flags in dict.fromkeys(rivals.values()):
        columns = ",".join(column for column, own in rivals.items() if own == flags)
        yield f"{flags} {columns}" if flags.endswith("--targets") else flags


def _rivals(table: Table, target: TargetColumns) -> dict[str, str]:
    """The table's columns of other tasks -> how to choose theirs."""
    return {column: choice for column, choice in target.rivals.items() if column in table.columns}


def _header_faults(
    table: Table, needed: Sequence[str], misspelt: Collection[str], known: Collection[str], target: TargetColumns
) -> Iterator[RowFault]:
    header = ", ".join(table.columns)
    others = "".join(f", or {choice}" for choice in _choices(_rivals(table, target)))
    for column in needed:
        names = [*MODALITIES, IMAGE] if column == ANY_MODALITY else [column]
        if not set(names) & {*table.columns, *misspelt}:
            meant = [name for name in table.columns if _other_name(name) in names] or [
                name for name in table.columns if get_close_matches(name.lower(), names, 1, CLOSE)
            ]
            rename = f", or rename the column {shown(meant[0])}" if meant else ""
            kind = "missing emotion column" if column == TARGET else "missing column"
            remedy = NEEDED.get(column, f"give a column {column} with the target of each row")
            task = others if column in target.columns else ""
            yield RowFault(HEADER_ROW, column, header, kind, remedy + rename + task)
    for column, times in Counter(table.columns).items():
        if times > 1 and column in known:
            yield RowFault(HEADER_ROW, column, header, "column stands twice", "keep one of them")
    if not table.rows and not table.faults:
        yield RowFault(HEADER_ROW + 1, "id", "", "empty manifest", "give a row per utterance")


def _other_name(name: str) -> str | None:
    """The column that is often called so."""
    return OTHER_NAMES.get(re.sub(r"[\W_]+", "_", name.casefold()))


def _misspelt(table: Table, known: Collection[str]) -> Iterator[RowFault]:
    """Columns that are called as one that is read but for case, blanks and marks between words."""
    for name in table.columns:
        column = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
        if column in known and column not in table.columns and name not in known:
            kind = f"a column {shown(name)} is not read"
            yield RowFault(HEADER_ROW, column, name, kind, f"rename it to {column}")


class RowReader:
    """Turns cells into utterances and collects the faults on the way."""

    def __init__(
        self,
        folder: Path,
        target: TargetColumns,
        need_label: bool,
        for_prediction: bool,
        without_modalities: bool = False,
    ) -> None:
        self.folder = folder
        self.target = target
        self.need_label = need_label
        self.for_prediction = for_prediction
        self.without_modalities = without_modalities or for_prediction
        self.columns = known_columns(target)
        self.plugin_columns = _plugin_columns()
        self.faults: list[RowFault] = []
        self._row_of: dict[str, int] = {}
        self._folders: dict[Path, Path] = {}

    def read(self, number: int, cells: dict[str, str]) -> Utterance:
        self._number = number
        self._values = {column: cells.get(column, "").strip() for column in self.columns}
        text = cells.get("text", "")
        start, end = self._seconds("start"), self._seconds("end")
        self._check_span(start, end)
        found = [(modality, self._file(modality)) for modality in self.plugin_columns]
        files = tuple((modality, path) for modality, path in found if path is not None)
        named = any(self._values[column] for column in ("text", *MEDIA, IMAGE))
        if not self.without_modalities and not (named or files):
            self._fault(ANY_MODALITY, "no usable modality", "give text, audio, video or image, or leave the row out")
        return Utterance(
            id=self._id(), text=text if text.strip() else None,
            audio=self._file("audio"), video=self._picture(), start=start, end=end,
            label=self._label(), speaker=self._values["speaker"] or None,
            dialogue=self._values["dialogue"] or None, turn=self._turn(), split=self._split(),
            session=self._values["session"] or None, corpus=self._values["corpus"] or None,
            crop=self._one_of("crop", SIDES), files=files,
            cut=self._one_of("cut", [*MEDIA, *self.plugin_columns]),
        )  # fmt: skip

    def _fault(self, column: str, kind: str, remedy: str) -> None:
        self.faults.append(RowFault(self._number, column, self._values.get(column, ""), kind, remedy))

    def _id(self) -> str:
        name = self._values["id"] or (f"row-{self._number}" if self.for_prediction else "")
        if not name:
            self._fault("id", "missing id", "give every row an id of its own")
        elif name in self._row_of:
            self._fault("id", "duplicate id", f"row {self._row_of[name]} has it too; give each row its own")
        else:
            self._row_of[name] = self._number
        return name

    def _picture(self) -> Path | None:
        if self._values["video"] and self._values[IMAGE]:
            self._fault(IMAGE, "an image beside a video", "leave one of the two cells empty")
        return self._file("video" if self._values["video"] else IMAGE)

    def _file(self, column: str) -> Path | None:
        value = self._values[column]
        if not value:
            return None
        if "\0" in value:
            self._fault(column, "not a path", "it holds a NUL byte; write the path of a file")
            return None
        target = self.folder / value
        if not is_file(target):
            if not self.for_prediction:
                self._fault(
                    column,
                    "missing file",
                    f"no {shown(str(target), 200, quoted=False)}; paths start at the manifest's folder",
                )
            return target
        parent = self._folders.get(target.parent)
        if parent is None:  # many rows share a folder, and resolving costs a system call per part of it
            parent = self._folders[target.parent] = target.parent.resolve()
        return parent / target.name

    def _seconds(self, column: str) -> float | None:
        value = self._values[column]
        if not value:
            return None
        try:
            seconds = float(value) if PLAIN_NUMBER.fullmatch(value) else math.nan
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            self._fault(column, "not a number", "give seconds, e.g. 12.5")
            return None
        if seconds < 0:
            self._fault(column, "negative time", "give seconds from the beginning of the file")
            return None
        return seconds

    def _check_span(self, start: float | None, end: float | None) -> None:
        if end is not None and end <= (start or 0.0):
            self._fault("end", "end not after start", f"start is {start or 0.0:g}; end must be greater")

    def _label(self) -> Label | None:
        cells = {column: self._values[column] for column in self.target.columns}
        if any(cells.values()):
            return self.target.read(cells, self._fault)
        if self.need_label:
            column = self.target.columns[0]
            self._fault(column, f"missing {column}", "label the row or leave it out")
        return None

    def _turn(self) -> int | None:
        value = self._values["turn"]
        whole = WHOLE_NUMBER.fullmatch(value)  # a column with blanks comes out of many tools as 3.0
        try:
            if value and not whole:
                raise ValueError(value)
            turn = int(whole["sign"] + whole["digits"]) if whole else None
            if turn is not None and abs(turn) >= 2**63:  # Parquet and arrays hold no more
                raise ValueError(value)
            return turn
        except ValueError:
            self._fault("turn", "not a whole number", "give the position within the dialogue, e.g. 3")
            return None

    def _one_of(self, column: str, known: Sequence[Name]) -> Name | None:
        value = self._values[column]
        if value and value not in known:
            self._fault(column, f"unknown {column}", f"use one of {', '.join(known)}, or leave it empty")
        return next((name for name in known if name == value), None)

    def _split(self) -> Split | None:
        value = self._values["split"]
        if value and value.lower() not in SPLIT_NAMES:
            self._fault("split", "unknown split", f"use one of {', '.join(SPLITS)}")
        return SPLIT_NAMES.get(value.lower())


def _cells(utterance: Utterance, folder: Path, target: TargetColumns) -> dict[str, object]:
    """The row's values with paths relative to the manifest's folder."""
    cells = asdict(utterance) | {column: cell or None for column, cell in target.cells(utterance.label).items()}
    for modality, path in utterance.media.items():
        cells[modality] = Path(os.path.relpath(path, folder)).as_posix()
    return cells


def _columns(rows: Sequence[dict[str, object]], target: TargetColumns) -> list[str]:
    """Those of every manifest, and of the optional ones those that some row needs."""
    optional = [*OPTIONAL_COLUMNS, *_plugin_columns()]
    own = _columns_with(target)
    return [*own, *(column for column in optional if any(row.get(column) is not None for row in rows))]


def _csv_bytes(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> bytes:
    buffer = io.StringIO(newline="")
    # its \r\n ends a line, so that a \r inside text is quoted
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(
        {column: guarded(cell) if isinstance(cell, str) else cell for column, cell in row.items()} for row in rows
    )
    return buffer.getvalue().encode("utf-8")


def _parquet_bytes(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {"start": pyarrow.float64(), "end": pyarrow.float64(), "turn": pyarrow.int64()}
    schema = pyarrow.schema([(column, types.get(column, pyarrow.string())) for column in columns])
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pylist(list(rows), schema=schema)
    pyarrow.parquet.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()
