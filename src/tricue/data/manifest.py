"""The manifest: one row per utterance, CSV or Parquet, read with every fault named in one message.

Columns (design.md, section 3): `id` (unique), `text`, `audio`, `video` (paths relative to the manifest's
folder), `start`, `end` (seconds), `emotion`, `speaker`, `dialogue`, `turn`, `split`. Only `id` and one of the
three cues must be there; other columns are ignored. In CSV, cells that a spreadsheet would run are guarded by an
apostrophe (spreadsheet.py). Written only where they are needed: `session` (what `loso`
leaves out), `corpus`, `crop` (`left` or `right`: the half of the picture that shows the speaker) and `cut` (`audio`
or `video`: that file holds the utterance alone, so `start` and `end` are of the other).
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from tricue.data.labels import Labels, nearest
from tricue.data.table import HEADER_ROW, ManifestError, RowFault, Table, read_table
from tricue.files import is_file, replaced_file
from tricue.spelling import WHOLE_NUMBER
from tricue.spreadsheet import guarded, unguarded
from tricue.types import CUES, SIDES, SPLITS, Cue, InputError, Split, Utterance, shown

Name = TypeVar("Name", bound=str)
PLAIN_NUMBER = re.compile(r"[-+.\deE]+", re.ASCII)  # Python reads 1_0 and digits of other scripts, too

COLUMNS = (
    "id", "text", "audio", "video", "start", "end", "emotion", "speaker", "dialogue", "turn", "split",
)  # fmt: skip
OPTIONAL_COLUMNS = ("session", "corpus", "crop", "cut")
MEDIA: tuple[Cue, ...] = ("audio", "video")
SPLIT_NAMES: dict[str, Split] = {
    **{split: split for split in SPLITS}, "dev": "val", "valid": "val", "validation": "val",
}  # fmt: skip
ANY_CUE = "/".join(CUES)  # where a fault is about all three columns
WANTED = frozenset([*COLUMNS, *OPTIONAL_COLUMNS])
NEEDED = {  # column -> what to do where it is missing
    "id": "give a header row with a column id that names each row, and commas between columns",
    "emotion": "give a column emotion with the label of each row",
    ANY_CUE: f"give at least one column of {', '.join(CUES)}",
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
    need_emotion: bool = False,
    for_prediction: bool = False,
    labels: Labels | None = None,
    without_cues: bool = False,
) -> list[Utterance]:
    """The utterances of a CSV or Parquet manifest, in its order, with absolute paths.

    emotions: the known labels (None: any). labels: reads them, by default in any spelling of `emotions`.
    need_emotion: a row without one is a fault. for_prediction: ids may be left out (`row-2` is the first row, as a
    spreadsheet counts), and a row with a missing file or without any cue is kept: rows in = rows out, and the
    prediction says what was missing. without_cues: a row without any cue is kept: a corpus's that
    lost its clip, or one whose features lie in a file.
    Raises ManifestError naming every fault, InputError where there is no such file or it is of another kind.
    """
    path = Path(path)
    table = read_table(path, wanted=WANTED)
    if any(fault.row == HEADER_ROW for fault in table.faults):  # without a header no row means anything
        raise ManifestError(path, table.faults)
    needed = [
        *(["id"] if not for_prediction else []), *(["emotion"] if need_emotion else []),
        *([ANY_CUE] if not without_cues else []),
    ]  # fmt: skip
    misspelt = list(_misspelt(table, ("emotion", "split") if for_prediction else ()))
    header_faults = [*misspelt, *_header_faults(table, needed, {fault.column for fault in misspelt})]
    reader = RowReader(path.resolve().parent, emotions, need_emotion, for_prediction, labels, without_cues)
    plain = unguarded if path.suffix.lower() == ".csv" else str
    utterances = [
        reader.read(number, {column: plain(cell) for column, cell in cells.items()})
        for number, cells in table.rows
    ]
    explained = {fault.column for fault in header_faults}  # a missing column is one fault, not one per row
    explained |= {ANY_CUE} if explained & set(CUES) else set()
    faults = [*table.faults, *header_faults, *(f for f in reader.faults if f.column not in explained)]
    if faults:
        raise ManifestError(path, faults)
    return utterances


def write_manifest(utterances: Sequence[Utterance], path: Path) -> None:
    """Writes CSV or Parquet, by the ending; paths relative to the manifest's folder. Atomic.

    `read_manifest` gives the same utterances back. Raises InputError for another ending.
    """
    path = Path(path)
    write = {".csv": _csv_bytes, ".parquet": _parquet_bytes}.get(path.suffix.lower())
    if write is None:
        raise InputError(f"A manifest ends in .csv or .parquet; got {path}.")
    content = write([_cells(utterance, path.resolve().parent) for utterance in utterances])
    with replaced_file(path) as part:
        part.write_bytes(content)


def _header_faults(table: Table, needed: Sequence[str], misspelt: Collection[str]) -> Iterator[RowFault]:
    header = ", ".join(table.columns)
    for column in needed:
        names = CUES if column == ANY_CUE else (column,)
        if not set(names) & {*table.columns, *misspelt}:
            meant = [name for name in table.columns if _other_name(name) in names] or [
                name for name in table.columns if get_close_matches(name.lower(), names, 1, CLOSE)
            ]
            rename = f", or rename the column {shown(meant[0])}" if meant else ""
            kind = "missing emotion column" if column == "emotion" else "missing column"
            yield RowFault(HEADER_ROW, column, header, kind, NEEDED[column] + rename)
    for column, times in Counter(table.columns).items():
        if times > 1 and column in (*COLUMNS, *OPTIONAL_COLUMNS):
            yield RowFault(HEADER_ROW, column, header, "column stands twice", "keep one of them")
    if not table.rows and not table.faults:
        yield RowFault(HEADER_ROW + 1, "id", "", "empty manifest", "give a row per utterance")


def _other_name(name: str) -> str | None:
    """The column that is often called so."""
    return OTHER_NAMES.get(re.sub(r"[\W_]+", "_", name.casefold()))


def _misspelt(table: Table, unused: Collection[str]) -> Iterator[RowFault]:
    """Columns that are called as one that is read but for case, blanks and marks between words."""
    for name in table.columns:
        column = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
        if column in WANTED - set(unused) and column not in table.columns:
            kind = f"a column {shown(name)} is not read"
            yield RowFault(HEADER_ROW, column, name, kind, f"rename it to {column}")


class RowReader:
    """Turns cells into utterances and collects the faults on the way."""

    def __init__(
        self,
        folder: Path,
        emotions: Iterable[str] | None,
        need_emotion: bool,
        for_prediction: bool,
        labels: Labels | None,
        without_cues: bool = False,
    ) -> None:
        self.folder = folder
        self.emotions = None if emotions is None else list(emotions)
        self.need_emotion = need_emotion
        self.for_prediction = for_prediction
        self.labels = labels or Labels(self.emotions)
        self.without_cues = without_cues or for_prediction
        self.faults: list[RowFault] = []
        self._row_of: dict[str, int] = {}
        self._folders: dict[Path, Path] = {}

    def read(self, number: int, cells: dict[str, str]) -> Utterance:
        self._number = number
        self._values = {column: cells.get(column, "").strip() for column in (*COLUMNS, *OPTIONAL_COLUMNS)}
        text = cells.get("text", "")
        start, end = self._seconds("start"), self._seconds("end")
        self._check_span(start, end)
        if not self.without_cues and not any(self._values[cue] for cue in CUES):
            self._fault(ANY_CUE, "no usable cue", "give text, audio or video, or leave the row out")
        return Utterance(
            id=self._id(), text=text if text.strip() else None,
            audio=self._file("audio"), video=self._file("video"), start=start, end=end,
            emotion=self._emotion(), speaker=self._values["speaker"] or None,
            dialogue=self._values["dialogue"] or None, turn=self._turn(), split=self._split(),
            session=self._values["session"] or None, corpus=self._values["corpus"] or None,
            crop=self._one_of("crop", SIDES), cut=self._one_of("cut", MEDIA),
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

    def _file(self, column: Cue) -> Path | None:
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

    def _emotion(self) -> str | None:
        written = self._values["emotion"]
        if not written:
            if self.need_emotion:
                self._fault("emotion", "missing emotion", "label the row or leave it out")
            return None
        value = self.labels.read(written)
        if value and self.emotions is not None and value not in self.emotions:
            meant = nearest(value, self.emotions)
            hint = f"{meant} is near; " if meant else ""
            remedy = f"{hint}known: {', '.join(self.emotions)}; data.mapping gives others a class"
            self._fault("emotion", "unknown emotion", remedy)
        return value or None

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


def _cells(utterance: Utterance, folder: Path) -> dict[str, object]:
    """The row's values with paths relative to the manifest's folder."""
    cells = asdict(utterance)
    for cue in ("audio", "video"):
        if cells[cue] is not None:
            cells[cue] = Path(os.path.relpath(cells[cue], folder)).as_posix()
    return cells


def _columns(rows: Sequence[dict[str, object]]) -> list[str]:
    """The columns of design.md, and of the optional ones those that some row needs."""
    return [
        *COLUMNS,
        *(column for column in OPTIONAL_COLUMNS if any(row[column] is not None for row in rows)),
    ]


def _csv_bytes(rows: Sequence[dict[str, object]]) -> bytes:
    buffer = io.StringIO(newline="")
    # its \r\n ends a line, so that a \r inside text is quoted
    writer = csv.DictWriter(buffer, _columns(rows), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(
        {column: guarded(cell) if isinstance(cell, str) else cell for column, cell in row.items()}
        for row in rows
    )
    return buffer.getvalue().encode("utf-8")


def _parquet_bytes(rows: Sequence[dict[str, object]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {"start": pyarrow.float64(), "end": pyarrow.float64(), "turn": pyarrow.int64()}
    schema = pyarrow.schema([(column, types.get(column, pyarrow.string())) for column in _columns(rows)])
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.Table.from_pylist(list(rows), schema=schema)
    pyarrow.parquet.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()
