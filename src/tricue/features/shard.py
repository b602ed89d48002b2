"""A shard of the feature store, read so that no content of it can end the process.

Arrow trusts what it maps: offsets beyond the file, or buffers that inflate to any size, would be followed. A shard is
therefore read message by message, refused where it is compressed, of other columns or holds a dictionary, and
validated in full before a value is looked at.
"""

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa

from tricue.types import InvalidFileError, first_line

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("width", pa.int32()),  # D; T follows from the number of values
        ("values", pa.large_list(pa.float16())),  # (T, D) row by row; null: there is nothing, see `note`
        ("note", pa.string()),
        ("missed", pa.int32()),
    ]
)
_BEFORE_MISSED = pa.schema(list(SCHEMA)[:-1])  # of earlier versions: no face was missed
_MAGIC = b"ARROW1\0\0"  # the stream of messages begins behind it
_BATCH_IN_MESSAGE, _COMPRESSION_IN_BATCH = 2, 3  # numbers of fields in Arrow's format/Message.fbs


def read_batches(shard: Path) -> list[pa.RecordBatch]:
    """The record batches of a shard, mapped, every column of `SCHEMA` valid.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidFileError: Its content is no shard.
    """
    try:
        mapped = pa.memory_map(str(shard)).read_buffer()
        if mapped.slice(0, len(_MAGIC)).to_pybytes() != _MAGIC:
            raise ValueError("no Arrow file")
        schema, *batches = pa.ipc.MessageReader.open_stream(pa.BufferReader(mapped.slice(len(_MAGIC))))
        if schema.type != "schema":
            raise ValueError("no schema comes first")
        columns = pa.ipc.read_schema(schema)
        if columns not in (SCHEMA, _BEFORE_MISSED):
            raise ValueError("other columns")
        return [_read_batch(message, columns) for message in batches]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, EOFError, struct.error) as error:
        raise InvalidFileError(f"{shard} is no shard of features: {first_line(error)}") from error


def _read_batch(message: pa.ipc.Message, columns: pa.Schema) -> pa.RecordBatch:
    if message.type != "record batch":
        raise ValueError(f"a message of the type {message.type}")
    if _is_compressed(message.metadata.to_pybytes()):
        raise ValueError("it is compressed")  # and what it inflates to is known only then
    batch = pa.ipc.read_record_batch(message, columns)
    batch.validate(full=True)
    if "missed" not in columns.names:
        batch = pa.record_batch([*batch.columns, pa.array([0] * len(batch), pa.int32())], schema=SCHEMA)
    _check_rows(batch)
    return batch


def _check_rows(batch: pa.RecordBatch) -> None:
    """Raise ValueError for rows that are no (T, D), T and D at least 1."""
    values = batch.column("values")
    if any(batch.column(name).null_count for name in ("key", "width", "missed")) or values.values.null_count:
        raise ValueError("a key, a width or a number is missing")
    held = values.is_valid().to_numpy(zero_copy_only=False)
    lengths = np.diff(values.offsets.to_numpy())[held]
    widths = batch.column("width").to_numpy()[held]
    if (widths < 1).any() or (lengths < 1).any() or (lengths % np.maximum(widths, 1)).any():
        raise ValueError("a width does not divide the number of values")
    if (batch.column("missed").to_numpy() < 0).any():
        raise ValueError("a negative number of frames")


def _is_compressed(metadata: bytes) -> bool:
    """Whether a message of a record batch names a compression, which pyarrow does not tell."""
    (root,) = struct.unpack_from("<I", metadata)
    batch = _field(metadata, root, _BATCH_IN_MESSAGE)
    if batch is None:
        raise ValueError("an empty message")
    (offset,) = struct.unpack_from("<I", metadata, batch)
    return _field(metadata, batch + offset, _COMPRESSION_IN_BATCH) is not None


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """Where a field of a FlatBuffers table lies; None where the table has not set it."""
    (back,) = struct.unpack_from("<i", buffer, table)
    size, slot = struct.unpack_from("<H", buffer, table - back)[0], 4 + 2 * number
    offset = struct.unpack_from("<H", buffer, table - back + slot)[0] if slot < size else 0
    return table + offset if offset else None
