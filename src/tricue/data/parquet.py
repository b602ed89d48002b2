"""Parquet tables as text: the columns that are wanted, in batches, within limits that a small file cannot hide.

A few kilobytes of Parquet can say a gigabyte: text that repeats is stored once. So text stays in the form of a
dictionary here and is measured before it is expanded, and every limit holds for what is read, whatever the file's own
description says.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet
from pyarrow import types

from tricue.data.embedded import embedded_file
from tricue.data.table import HEADER_ROW, MAX_CELL, MAX_ROWS, MAX_TEXT_BYTES, RowFault, Table, clean, too_long, unread
from tricue.types import InputError, shown

MEDIA = ("audio", "video", "image")  # columns whose cells may hold a file
PATH_BYTES = 4096  # a cell of bytes that is no longer, and UTF-8, may be a path
MEDIA_RATIO, MEDIA_LEAST = 16, 1 << 30  # bytes of media: so many times the file's, and so many in any case
EXPANSION = 200  # times its size that a file may say it holds; text and sound stay below 50
BATCH_ROWS, BATCH_BYTES, MEDIA_ROWS = 4096, 1 << 29, 64
DAMAGE = (pyarrow.ArrowException, OSError, ValueError, LookupError, ArithmeticError, MemoryError)

FILE = ("bytes", "path")  # of a struct that holds a file
ZEROS = re.compile(r"\.0+$")
BYTES = (
    types.is_string, types.is_large_string, types.is_string_view,
    types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary,
)  # fmt: skip
PLAIN = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
TIMES = (types.is_date, types.is_time, types.is_timestamp)


class BeyondLimit(Exception):
    """A table that is larger than what is read."""


@dataclass
class Budget:
    """What may still be read."""

    media: int
    text: int = MAX_TEXT_BYTES
    rows: int = MAX_ROWS

    def take(self, kind: str, amount: int) -> None:
        left = getattr(self, kind) - amount
        if left < 0:
            raise BeyondLimit("rows" if kind == "rows" else f"bytes of {kind}")
        setattr(self, kind, left)


def read_parquet(path: Path, wanted: Collection[str] | None) -> Table:
    """The columns of `wanted` (lower case; None: all) as text. Bytes outside UTF-8 stay marked, as in CSV.

    A cell of bytes, or of `{bytes, path}` as `datasets` writes it, in a column of media is the path of a file with
    that content. Raises InputError where such a file cannot be written; all else that is wrong is a fault.
    """
    try:
        return _read(path, wanted)
    except InputError:
        raise
    except BeyondLimit as beyond:
        most = f"at most {MAX_ROWS:,} rows and {MAX_TEXT_BYTES >> 20:,} MiB of text are read at once"
        return unread(f"more {beyond} than are read", f"split it: {most}")
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return unread(f"not a Parquet file ({shown(reason, 150, quoted=False)})", "write it again")


def _read(path: Path, wanted: Collection[str] | None) -> Table:
    schema = pyarrow.parquet.read_schema(path)
    names = [name for name in schema.names if wanted is None or name.strip().lower() in wanted]
    kinds = {name: schema.field(schema.get_all_field_indices(name)[0]).type for name in names}
    table = Table([clean(name.strip()) for name in schema.names])
    table.faults.extend(
        RowFault(HEADER_ROW, name, ", ".join(schema.names), "column stands twice", "keep one of them")
        for name in sorted(kinds)
        if names.count(name) > 1
    )
    for name, kind in kinds.items():
        if _form(name, kind) is None:
            known = "a path, or {bytes, path} as `datasets` does" if _holds_media(name) else "text or numbers"
            unknown = "a column of a type that is not read"
            table.faults.append(RowFault(HEADER_ROW, name, str(kind), unknown, f"write {known}"))
    if table.faults:
        return table
    budget = Budget(media=MEDIA_RATIO * path.stat().st_size + MEDIA_LEAST)
    readers = {name: Column(name, kind, budget, table.faults) for name, kind in kinds.items()}
    first, own = HEADER_ROW + 1, [name.strip() for name in kinds]
    for batch in _batches(path, kinds, budget):
        budget.take("rows", batch.num_rows)
        cells = [reader.read(batch.column(name), first) for name, reader in readers.items()]
        for number, line in enumerate(zip(*cells, strict=True), start=first):
            table.add(number, own, line)
        first += batch.num_rows
    return table


def _holds_media(name: str) -> bool:
    """Whether a column may hold files. Another spelling of its name (Audio) is a fault of the header, not of cells."""
    return name.strip().lower() in MEDIA


def _form(name: str, kind: Any) -> str | None:
    """How a column's cells become text; None where they cannot."""
    if types.is_dictionary(kind):
        return _form(name, kind.value_type)
    if any(is_kind(kind) for is_kind in BYTES):
        return "bytes"
    if any(is_kind(kind) for is_kind in PLAIN):
        return "plain"
    if any(is_kind(kind) for is_kind in TIMES):
        return "time"
    fields = {own.name: own.type for own in kind} if types.is_struct(kind) else {}
    known = all(_form(field, own) in ("bytes", "plain") for field, own in fields.items() if field in FILE)
    return "file" if _holds_media(name) and fields.keys() & FILE and known else None


def _batches(path: Path, kinds: Mapping[str, Any], budget: Budget) -> Iterator[Any]:
    """The rows in batches; where cells hold files, in so few at once that each may be as long as all of them.

    Only what pyarrow reads safely is used of the file's description: a damaged one of a column aborts the process.
    """
    coded = [name for name, kind in kinds.items() if any(is_kind(kind) for is_kind in BYTES)]
    options: dict[str, Any] = {"pre_buffer": False, "page_checksum_verification": True}
    with pyarrow.parquet.ParquetFile(path, read_dictionary=coded, **options) as file:
        about = file.metadata
        sizes = [about.row_group(number).total_byte_size for number in range(about.num_row_groups)]
        if about.num_rows > budget.rows:
            raise BeyondLimit("rows")
        if sum(sizes) > EXPANSION * path.stat().st_size + BATCH_BYTES:
            raise BeyondLimit("bytes of so small a file")
        files = any(_form(name, kind) == "file" for name, kind in kinds.items())
        rows = max(1, min(MEDIA_ROWS, BATCH_BYTES // max([1, *sizes]))) if files else BATCH_ROWS
        read = 0
        for batch in file.iter_batches(rows, columns=list(kinds), use_threads=False) if kinds else ():
            read += batch.num_rows
            yield batch
        if kinds and read != about.num_rows:
            raise ValueError(f"{about.num_rows:,} rows are announced, {read:,} are there")


class Column:
    """Reads the cells of one column, batch by batch."""

    def __init__(self, name: str, kind: Any, budget: Budget, faults: list[RowFault]) -> None:
        self.name, self.budget, self.faults = name, budget, faults
        self.form = _form(name, kind)

    def read(self, column: Any, first: int) -> list[str]:
        """The cells of a batch as text; first: the number of its first row."""
        column.validate()
        if self.form == "bytes":
            return self._bytes(column, first)
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if self.form == "file":
            return self._files(column)
        if self.form == "time":
            return [ZEROS.sub("", text or "") for text in column.cast(pyarrow.string()).to_pylist()]
        values = column.to_pylist()
        no_number = [value is None or (isinstance(value, float) and math.isnan(value)) for value in values]
        return ["" if none else str(value) for value, none in zip(values, no_number, strict=True)]

    def _bytes(self, column: Any, first: int) -> list[str]:
        """Text or bytes. Each value of the dictionary is expanded once, whatever the number of its rows."""
        if not types.is_dictionary(column.type):
            column = column.cast(pyarrow.large_binary()).dictionary_encode()
        values = column.dictionary.cast(pyarrow.large_binary())
        text_of: dict[int | None, str] = {None: ""}
        cells = []
        for number, index in enumerate(column.indices.to_pylist(), start=first):
            if index not in text_of:
                if not 0 <= index < len(values):
                    raise ValueError("a value is named that is not there")
                text_of[index] = self._text(values[index], number)
            self.budget.take("text", len(text_of[index]))
            cells.append(text_of[index])
        return cells

    def _text(self, value: Any, row: int) -> str:
        buffer = value.as_buffer()
        length = 0 if buffer is None else buffer.size
        if _holds_media(self.name) and (length > PATH_BYTES or not _is_path(value.as_py())):
            return self._file(value, None)
        if length > MAX_CELL:
            self.faults.append(too_long(row, self.name, length))
            return ""
        content: bytes = value.as_py() or b""
        return content.decode("utf-8", "surrogateescape")

    def _files(self, column: Any) -> list[str]:
        """Structs of `bytes` and `path`, either of which may be absent."""
        fields = {own.name for own in column.type}
        contents, paths = (
            pyarrow.compute.struct_field(column, name) if name in fields else None for name in ("bytes", "path")
        )
        cells = []
        for row in range(len(column)):
            path = None if paths is None else paths[row].as_py()
            named = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
            content = None if contents is None else contents[row]
            has_content = content is not None and content.is_valid and content.as_buffer().size
            cells.append(self._file(content, named) if has_content else named or "")
        return cells

    def _file(self, content: Any, named: str | None) -> str:
        self.budget.take("media", content.as_buffer().size)
        return str(embedded_file(content.as_py(), named))


def _is_path(content: bytes | None) -> bool:
    """Whether a cell of bytes is the name of a file rather than a file."""
    try:
        return b"\0" not in (content or b"") and (content or b"").decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False
