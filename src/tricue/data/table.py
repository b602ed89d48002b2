"""A table as text: cells exactly as they stand, the limits of what is read, and the one message for all faults."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tricue.types import InvalidFileError, shown

HEADER_ROW = 1  # rows are counted as a spreadsheet shows them, so the first utterance stands in row 2
SHOWN_FAULTS = 50
SHOWN_REMEDY = 400  # characters: a remedy may list classes, or name a path
MAX_ROWS = 2_000_000  # of a table; a row takes about a kilobyte of memory while it is read
MAX_TEXT_BYTES = 1 << 29  # of a table's text
MAX_CELL = 1_000_000  # characters of a cell that is read
MAX_COLUMNS = 10_000
SAVE_AS_UTF8 = "save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')"


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

    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)

    def add(
        self, number: int, names: Sequence[str], line: Sequence[str], wanted: Collection[str] | None = None
    ) -> None:
        """Add a row that is not blank. Bytes outside the encoding stand as surrogates in `line`."""
        if not any(cell and cell.strip() for cell in line):
            return
        cells = {}
        for column, cell in zip(names, line, strict=False):
            if wanted is not None and column.lower() not in wanted:
                continue
            cells[column] = clean(cell)
            if len(cell) > MAX_CELL:
                self.faults.append(too_long(number, column, len(cell)))
            elif cell != cells[column]:
                self.faults.append(wrong_encoding(number, column, cell))
        self.rows.append((number, cells))


def unread(kind: str, remedy: str) -> Table:
    """Nothing of a file but what is wrong with all of it."""
    return Table(faults=[RowFault(HEADER_ROW, "?", "", kind, remedy)])


def too_long(row: int, column: str, length: int) -> RowFault:
    remedy = f"at most {MAX_CELL:,} are read; is it the right column?"
    return RowFault(row, column, "", f"a cell of {length:,} characters", remedy)


def clean(cell: str) -> str:
    """The cell with U+FFFD in place of bytes that are not in the encoding."""
    return cell if cell.isascii() else cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def wrong_encoding(row: int, column: str, cell: str) -> RowFault:
    return RowFault(row, clean(column), clean(cell), "wrong encoding", SAVE_AS_UTF8)
