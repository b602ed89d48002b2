"""A shard from elsewhere whose name fits its content: set aside and made again, never the end of the process."""

import hashlib
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.mutations import COUNTS, DAMAGE, damaged, flip_bit, survived

from tricue.features.shard import SCHEMA, read_batches
from tricue.features.store import Row, Store
from tricue.types import InvalidFileError

VALUES = np.arange(24, dtype=np.float16).reshape(6, 4)
ROWS = {"a": Row(VALUES[:2]), "b": Row(None, "no words"), "c": Row(VALUES[2:], "cut", 1)}


def opened(root: Path) -> Store:
    return Store(root, "text", "some/encoder", {"version": 1})


def put(folder: Path, content: bytes) -> Path:
    """A shard that is named after its content."""
    path = folder / f"shard-{hashlib.sha256(content).hexdigest()[:32]}.arrow"
    path.write_bytes(content)
    return path


def arrow(batch: pa.RecordBatch, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def batch(**columns: pa.Array) -> pa.RecordBatch:
    """A valid batch of one row with some columns exchanged."""
    valid = {
        "key": pa.array(["z"]), "width": pa.array([2], pa.int32()),
        "values": pa.array([VALUES[0].tolist()], pa.large_list(pa.float16())),
        "note": pa.array([None], pa.string()), "missed": pa.array([0], pa.int32()),
    }  # fmt: skip
    merged = valid | columns
    return pa.record_batch(list(merged.values()), names=list(merged))


def patched(form: str, before: tuple[int, int], after: tuple[int, int]) -> bytes:
    """A valid shard, one pair of offsets in it exchanged: no writer makes such."""
    content = arrow(batch(key=pa.array(["z" * 7])))
    old, new = struct.pack(form, *before), struct.pack(form, *after)
    at = content.rindex(old)
    return content[:at] + new + content[at + len(old) :]


ODD: dict[str, Callable[[], bytes]] = {
    "offsets beyond the values": lambda: patched("<2q", (0, 4), (0, 10**12)),
    "negative offsets": lambda: patched("<2q", (0, 4), (-8, 4)),
    "offsets that fall": lambda: patched("<2q", (0, 4), (4, 0)),
    "keys beyond their text": lambda: patched("<2i", (0, 7), (0, 10**9)),
    "keys that are no UTF-8": lambda: arrow(batch()).replace(b"z\0", b"\xff\0"),
    "no key": lambda: arrow(batch(key=pa.array([None], pa.string()))),
    "no width": lambda: arrow(batch(width=pa.array([None], pa.int32()))),
    "a width of 0": lambda: arrow(batch(width=pa.array([0], pa.int32()))),
    "a negative width": lambda: arrow(batch(width=pa.array([-2], pa.int32()))),
    "a width that does not divide": lambda: arrow(batch(width=pa.array([3], pa.int32()))),
    "no value": lambda: arrow(batch(values=pa.array([[]], pa.large_list(pa.float16())))),
    "a missing value": lambda: arrow(batch(values=pa.array([[1.0, None]], pa.large_list(pa.float16())))),
    "negative frames": lambda: arrow(batch(missed=pa.array([-1], pa.int32()))),
    "other columns": lambda: arrow(batch(values=pa.array([[1.0, 2.0]], pa.large_list(pa.float64())))),
    "a dictionary": lambda: arrow(batch(key=pa.array(["z"]).dictionary_encode())),
    "compressed": lambda: arrow(batch(), compression="zstd"),
    "a bomb": lambda: arrow(
        batch(values=pa.array([[0.0] * 2_000_000], pa.large_list(pa.float16()))), compression="zstd"
    ),
    "a stream": lambda: arrow(batch())[8:],
    "nothing": lambda: b"",
    "text": lambda: b"features",
    "a head alone": lambda: b"ARROW1\0\0",
    "no schema": lambda: b"ARROW1\0\0" + arrow(batch())[-400:],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_content_is_set_aside_and_made_again(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    content = ODD[name]()
    folder = opened(tmp_path).folder
    opened(tmp_path).add(ROWS.items())
    shard = put(folder, content)

    def served(number: int) -> bool:
        store = opened(tmp_path)
        return len(store) == 3 and len(store.broken) == 1 and store["a"].values is not None

    assert survived(1, served) == 1  # in a child: it might have ended the process
    assert not shard.exists() and shard.with_suffix(".broken").read_bytes() == content
    shard.with_suffix(".broken").rename(shard)
    store = opened(tmp_path)
    assert "made again" in caplog.text and shard.name in caplog.text
    assert "z" not in store and len(opened(tmp_path)) == 3


def test_what_is_no_file_is_set_aside(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(ROWS.items())
    (store.folder / "shard-0.arrow").mkdir()
    assert len(opened(tmp_path)) == 3 and not list(store.folder.glob("shard-0.arrow"))


def test_settings_that_changed_are_written_again(tmp_path: Path) -> None:
    path = opened(tmp_path).folder / "settings.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    opened(tmp_path)
    assert path.read_bytes() == whole


def test_a_valid_batch_is_read(tmp_path: Path) -> None:
    (read,) = read_batches(put(tmp_path, arrow(batch())))
    assert read.schema == SCHEMA and read.column("key").to_pylist() == ["z"]


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(tmp_path: Path, files: int) -> None:
    """Whatever the bytes are, a shard is refused or its rows can be read; under the old name they are the same."""
    store = opened(tmp_path)
    store.add(ROWS.items())
    (shard,) = store.folder.glob("shard-*.arrow")
    whole = shard.read_bytes()

    def refused(number: int) -> bool:
        rng = np.random.default_rng([17, number])
        root = tmp_path / f"fuzz-{number}"
        folder = opened(root).folder
        content = damaged(rng, whole, [*DAMAGE, flip_bit, flip_bit, flip_bit], most=2)
        path = put(folder, content) if number % 4 else folder / shard.name
        path.write_bytes(content)
        try:
            again = opened(root)
            for key in again._rows:
                row = again[key]
                assert row.values is None or (row.values.ndim == 2 and row.values.size)
                np.asarray(row.values, dtype=object).sum()
            again.add([("new", Row(VALUES))])
            again.merge()
            if number % 4 == 0 and "a" in again:
                np.testing.assert_array_equal(again["a"].values, VALUES[:2])
            return bool(again.broken)
        finally:
            shutil.rmtree(root)

    assert survived(files, refused) > files / 3


def test_a_shard_that_changes_while_it_is_open_does_not_stop_merging(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for key, row in ROWS.items():
        store.add([(key, row)])
    first = sorted(store.folder.glob("shard-*.arrow"))[0]
    first.unlink()
    first.write_bytes(b"changed")
    with pytest.raises(InvalidFileError):
        read_batches(first)
    store.merge()
    assert len(opened(tmp_path)) == 2
