"""Tables as text: CSV and Parquet cells exactly as they stand, and the one message for all their faults."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tricue.files import is_file
from tricue.types import InputError, InvalidFileError, shown

HEADER_ROW = 1  # rows are counted as a spreadsheet shows them, so the first utterance stands in row 2
SHOWN_FAULTS = 50
SHOWN_REMEDY = 400  # characters: a remedy may list classes, or name a path
MAX_ROWS = 2_000_000  # of a table; a row takes about a kilobyte of memory while it is read
MAX_TEXT_BYTES = 1 << 29  # of a table's text
MAX_CELL = 1_000_000  # characters of a cell that is read
MAX_COLUMNS = 10_000
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # what tables have in place of commas
OTHER_FILES = {  # how they begin
    b"PK\x03\x04": "a ZIP archive, as .xlsx and .ods are", b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file", b"\x1f\x8b": "compressed", b"%PDF": "a PDF file", b"SQLite": "a database",
}  # fmt: skip
SAVE_AS_UTF8 = "save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
BLANKS = "\ufeff\u200b \t\r\n\f\v\xa0"  # around a column's name
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class RowFault:
    """One thing wrong in a table: where, what stands there, and what to do about it."""

    row: int
    column: str
    value: str
    kind: str
    remedy: str

    def __str__(self) -> str:
        column, remedy = shown(self.column, quoted=False), self.remedy
        if len(remedy) > SHOWN_REMEDY:
            remedy = remedy[:SHOWN_REMEDY] + "..."
        return f"row {self.row}, column {column}, {shown(self.value)}: {self.kind}; {remedy}"


class ManifestError(InvalidFileError):
    """Everything wrong with one table, in one message; `faults` holds all, also those not shown."""

    def __init__(self, path: Path, faults: Sequence[RowFault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.row)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = [f"{path}: {count}, nothing was read. Rows as in a spreadsheet: the header is row 1."]
        lines += [f"  {fault}" for fault in self.faults[:SHOWN_FAULTS]]
        if len(faults) > SHOWN_FAULTS:
            kinds = Counter(fault.kind for fault in faults)
            counts = ", ".join(f"{number} x {kind}" for kind, number in kinds.most_common())
            lines.append(f"  ... these are the first {SHOWN_FAULTS}; in all: {counts}")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Table:
    """`rows`: row number and cells by column, as text; a blank cell is an empty string.
    `faults`: rows and cells that could not be read as they stand."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    faults: list[RowFault]


def read_table(
    path: Path, encodings: Sequence[str] = ("utf-8-sig",), wanted: Collection[str] | None = None
) -> Table:
    """A CSV (in the first of `encodings` that fits) or Parquet file as text: a speaker "01" stays "01".

    wanted: the columns whose cells are read, in lower case (None: all); nothing in another one is a fault. Wholly
    blank rows are left out but counted, as a spreadsheet does.
    Raises InputError where the file is missing or of another kind.
    """
    if not is_file(path):
        raise InputError(
            f"There is no file {shown(str(path), 200, quoted=False)}. Check the path; it should be a CSV or Parquet "
            "table."
        )
    read = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
    if read is None:
        raise InputError(f"A table ends in .csv or .parquet; got {path}. Save it as one of them.")
    return read(path, encodings, wanted)


def too_long(row: int, column: str, length: int) -> RowFault:
    return RowFault(
        row,
        column,
        "",
        f"a cell of {length:,} characters",
        f"at most {MAX_CELL:,} are read; is it the right column?",
    )


def _read_parquet(path: Path, encodings: Sequence[str], wanted: Collection[str] | None) -> Table:
    from tricue.data.parquet import read_parquet  # pyarrow takes a moment

    found = read_parquet(path, wanted)
    header = [_clean(name.strip()) for name in found.columns]
    table = Table(header, [], found.faults)
    names = [name.strip() for name in found.cells]
    for number, line in enumerate(zip(*found.cells.values(), strict=True), start=HEADER_ROW + 1):
        _add_row(table, number, names, line)
    return table


def _read_csv(path: Path, encodings: Sequence[str], wanted: Collection[str] | None) -> Table:
    """Bytes outside the encoding stay marked, so that their cells can be named."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        return _unread(f"a file of more than {MAX_TEXT_BYTES >> 20:,} MiB", "split it, or save it as Parquet")
    content = path.read_bytes()
    if (fault := _other_kind(content)) is not None:
        return Table([], [], [fault])
    text = _decoded(content, encodings).lstrip("\ufeff")
    if (separator := _other_separator(text)) is not None:
        return _unread(f"{SEPARATORS[separator]} between columns", "save it with commas between columns")
    table = Table([], [], [])
    names: list[str] = []
    number = HEADER_ROW - 1
    csv.field_size_limit(MAX_TEXT_BYTES)  # cells that are not wanted may be long
    try:
        for number, line in enumerate(
            csv.reader(io.StringIO(text, newline=""), strict=True), start=HEADER_ROW
        ):
            if number == HEADER_ROW:
                names = _add_header(table, line)
            elif _is_whole(table, number, line, len(names)):
                _add_row(table, number, names, line, wanted)
            if number > MAX_ROWS or len(names) > MAX_COLUMNS:
                return _unread(
                    "more rows or columns than are read",
                    f"split it: at most {MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns",
                )
    except csv.Error as error:
        remedy = 'close every double quote, and write one inside a quoted text twice: ""'
        table.faults.append(RowFault(number + 1, "?", "", f"not valid CSV ({error})", remedy))
    return table


def _unread(kind: str, remedy: str) -> Table:
    return Table([], [], [RowFault(HEADER_ROW, "?", "", kind, remedy)])


def _other_kind(content: bytes) -> RowFault | None:
    """The one fault of a file that is no text of one byte per letter."""
    if content.startswith(UTF16) or b"\0" in content.partition(b"\n")[0][:MAX_COLUMNS]:
        name = "UTF-16" if content.startswith(UTF16) else "NUL bytes"
        return RowFault(HEADER_ROW, "?", name, "wrong encoding", SAVE_AS_UTF8)
    for start, name in OTHER_FILES.items():
        if content.startswith(start):
            return RowFault(HEADER_ROW, "?", "", f"not a CSV file ({name})", "save the table as 'CSV UTF-8'")
    return None


def _other_separator(text: str) -> str | None:
    """What stands between the names of the header where it is no comma."""
    header = text.lstrip().partition("\n")[0]
    counts = {separator: header.count(separator) for separator in SEPARATORS}
    separator = max(counts, key=lambda separator: counts[separator])
    return separator if counts[separator] > header.count(",") else None


def _decoded(content: bytes, encodings: Sequence[str]) -> str:
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode(encodings[0], "surrogateescape")


def _add_header(table: Table, line: Sequence[str]) -> list[str]:
    header = [name.strip(BLANKS) for name in line]
    table.columns.extend(_clean(name) for name in header)
    table.faults.extend(_wrong_encoding(HEADER_ROW, name, name) for name in header if name != _clean(name))
    return table.columns


def _is_whole(table: Table, number: int, line: list[str], width: int) -> bool:
    """Whether a row of CSV has no more cells than the header; a row of blanks has none."""
    if not any(cell.strip() for cell in line[width:]):
        line += [""] * (width - len(line))
        return True
    table.faults.append(RowFault(
        number, str(width + 1), _clean(line[width]), "more cells than columns",
        "put a text that holds a comma in double quotes",
    ))  # fmt: skip
    return False


def _add_row(
    table: Table,
    number: int,
    names: Sequence[str],
    line: Sequence[str],
    wanted: Collection[str] | None = None,
) -> None:
    if not any(cell and cell.strip() for cell in line):
        return
    cells = {}
    for column, cell in zip(names, line, strict=False):
        if wanted is None or column.lower() in wanted:
            cells[column] = _clean(cell)
            table.faults.extend(_cell_faults(number, column, cell))
    table.rows.append((number, cells))


def _cell_faults(number: int, column: str, cell: str) -> Iterator[RowFault]:
    if len(cell) > MAX_CELL:
        yield too_long(number, column, len(cell))
    elif cell != _clean(cell):
        yield _wrong_encoding(number, column, cell)


def _clean(cell: str) -> str:
    """The cell with U+FFFD in place of bytes that are not in the encoding."""
    if cell.isascii():
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _wrong_encoding(row: int, column: str, cell: str) -> RowFault:
    return RowFault(row, _clean(column), _clean(cell), "wrong encoding", SAVE_AS_UTF8)
