"""Tables as text: CSV and Parquet cells exactly as they stand, and the one message for all their faults."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tricue.types import InputError, InvalidFileError

HEADER_ROW = 1  # rows are counted as a spreadsheet shows them, so the first utterance stands in row 2
SHOWN_FAULTS = 50
SHOWN_CHARACTERS = 60  # of a cell: shifted columns put whole paragraphs where a label should be


@dataclass(frozen=True)
class RowFault:
    """One thing wrong in a table: where, what stands there, and what to do about it."""

    row: int
    column: str
    value: str
    kind: str
    remedy: str

    def __str__(self) -> str:
        cut = len(self.value) > SHOWN_CHARACTERS
        value = repr(self.value[:SHOWN_CHARACTERS]) + ("..." if cut else "")
        return f"row {self.row}, column {self.column}, {value}: {self.kind}; {self.remedy}"


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


def read_table(path: Path, encodings: Sequence[str] = ("utf-8-sig",)) -> Table:
    """A CSV (in the first of `encodings` that fits) or Parquet file as text: a speaker "01" stays "01".

    Wholly blank rows are left out but counted, as a spreadsheet does.
    Raises InputError where the file is missing or of another kind.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}. Check the path; it should be a CSV or Parquet table.")
    read = {".csv": _csv_lines, ".parquet": _parquet_lines}.get(path.suffix.lower())
    if read is None:
        raise InputError(f"A table ends in .csv or .parquet; got {path}. Save it as one of them.")
    lines, faults = read(path, encodings)
    header = [name.strip() for name in lines[0]] if lines else []
    columns = [_clean(name) for name in header]
    faults += [_wrong_encoding(HEADER_ROW, name, name) for name in header if name != _clean(name)]
    table = Table(columns, [], faults)
    for number, line in enumerate(lines[1:], start=HEADER_ROW + 1):
        _add_row(table, number, line)
    return table


def _add_row(table: Table, number: int, line: list[str]) -> None:
    width = len(table.columns)
    if not any(cell.strip() for cell in line):
        return
    if any(cell.strip() for cell in line[width:]):
        table.faults.append(RowFault(
            number, str(width + 1), _clean(line[width]), "more cells than columns",
            "put a text that holds a comma in double quotes",
        ))  # fmt: skip
        return
    cells = dict(zip(table.columns, [*line, *[""] * (width - len(line))], strict=False))
    for column, cell in cells.items():
        if cell != _clean(cell):
            table.faults.append(_wrong_encoding(number, column, cell))
    table.rows.append((number, {column: _clean(cell) for column, cell in cells.items()}))


def _csv_lines(path: Path, encodings: Sequence[str]) -> tuple[list[list[str]], list[RowFault]]:
    """Header and rows. Bytes outside the encoding stay marked, so that their cells can be named."""
    content = path.read_bytes()
    text = content.decode(encodings[0], "surrogateescape")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        break
    lines: list[list[str]] = []
    try:
        for line in csv.reader(io.StringIO(text, newline=""), strict=True):
            lines.append(line)  # one by one: the rows before a fault are checked too
    except csv.Error as error:
        return lines, [RowFault(
            len(lines) + 1, "?", "", f"not valid CSV ({error})",
            'close every double quote, and write one inside a quoted text twice: ""',
        )]  # fmt: skip
    return lines, []


def _clean(cell: str) -> str:
    """The cell with U+FFFD in place of bytes that are not in the encoding."""
    if cell.isascii():
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _wrong_encoding(row: int, column: str, cell: str) -> RowFault:
    remedy = "save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
    return RowFault(row, _clean(column), _clean(cell), "wrong encoding", remedy)


def _parquet_lines(path: Path, encodings: Sequence[str]) -> tuple[list[list[str]], list[RowFault]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        return [], [RowFault(HEADER_ROW, "?", "", f"not a Parquet file ({error})", "write it again")]
    columns = [[_parquet_text(value) for value in column.to_pylist()] for column in table.columns]
    return [table.column_names, *map(list, zip(*columns, strict=True))], []


def _parquet_text(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)
