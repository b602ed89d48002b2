"""Files of tables: CSV here, Parquet in parquet.py."""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path

from tricue.data import table as limits
from tricue.data.table import HEADER_ROW, SAVE_AS_UTF8, RowFault, Table, clean, unread, wrong_encoding
from tricue.files.atomic import is_file
from tricue.types import InputError, shown

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # what tables have in place of commas
OTHER_FILES = {  # how they begin
    b"PK\x03\x04": "a ZIP archive, as .xlsx and .ods are", b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file", b"\x1f\x8b": "compressed", b"%PDF": "a PDF file", b"SQLite": "a database",
}  # fmt: skip
BLANKS = "\ufeff\u200b \t\r\n\f\v\xa0"  # around a column's name
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_table(path: Path, encodings: Sequence[str] = ("utf-8-sig",), wanted: Collection[str] | None = None) -> Table:
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
    if path.suffix.lower() == ".parquet":
        from tricue.data.parquet import read_parquet  # pyarrow takes a moment

        return read_parquet(path, wanted)
    if path.suffix.lower() != ".csv":
        raise InputError(f"A table ends in .csv or .parquet; got {path}. Save it as one of them.")
    return _read_csv(path, encodings, wanted)


def _read_csv(path: Path, encodings: Sequence[str], wanted: Collection[str] | None) -> Table:
    """Bytes outside the encoding stay marked, so that their cells can be named."""
    if path.stat().st_size > limits.MAX_TEXT_BYTES:
        size = f"a file of more than {limits.MAX_TEXT_BYTES >> 20:,} MiB"
        return unread(size, "split it, or save it as Parquet")
    content = path.read_bytes()
    if content.startswith(UTF16) or b"\0" in content.partition(b"\n")[0][: limits.MAX_COLUMNS]:
        name = "UTF-16" if content.startswith(UTF16) else "NUL bytes"
        return Table(faults=[RowFault(HEADER_ROW, "?", name, "wrong encoding", SAVE_AS_UTF8)])
    for start, name in OTHER_FILES.items():
        if content.startswith(start):
            return unread(f"not a CSV file ({name})", "save the table as 'CSV UTF-8'")
    text = _decoded(content, encodings).lstrip("\ufeff")
    header = text.lstrip().partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    if header.count(separator) > header.count(","):
        return unread(f"{SEPARATORS[separator]} between columns", "save it with commas between columns")
    table = Table()
    number = HEADER_ROW - 1
    csv.field_size_limit(limits.MAX_TEXT_BYTES)  # cells that are not wanted may be long
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        for number, line in enumerate(lines, start=HEADER_ROW):
            width = len(table.columns)
            if number == HEADER_ROW:
                names = [name.strip(BLANKS) for name in line]
                table.columns.extend(map(clean, names))
                odd = [name for name in names if name != clean(name)]
                table.faults.extend(wrong_encoding(HEADER_ROW, name, name) for name in odd)
            elif any(cell.strip() for cell in line[width:]):
                remedy = "put a text that holds a comma in double quotes"
                more = RowFault(number, str(width + 1), clean(line[width]), "more cells than columns", remedy)
                table.faults.append(more)
            else:
                table.add(number, table.columns, line + [""] * (width - len(line)), wanted)
            if number > limits.MAX_ROWS or len(table.columns) > limits.MAX_COLUMNS:
                most = f"{limits.MAX_ROWS:,} rows and {limits.MAX_COLUMNS:,} columns"
                return unread("more rows or columns than are read", f"split it: at most {most}")
    except csv.Error as error:
        remedy = 'close every double quote, and write one inside a quoted text twice: ""'
        table.faults.append(RowFault(number + 1, "?", "", f"not valid CSV ({error})", remedy))
    return table


def _decoded(content: bytes, encodings: Sequence[str]) -> str:
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode(encodings[0], "surrogateescape")
