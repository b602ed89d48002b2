"""Where features lie between runs: append-only Arrow shards per extractor, read by memory map.

    <root>/<modality>-<name>-<digest of every setting>/settings.json
                                                  shard-<digest of its content>.arrow

A shard's name carries the digest of its bytes, checked whenever a store is opened: one that was cut short or
has changed, or whose content is not what `shard.py` allows, is set aside as `*.broken`, and its rows are made again.
Files take their place as a whole (`replaced_file`). Every batch is a shard of its own as soon as it is
encoded; small shards are merged later.
"""

import hashlib
import json
import logging
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tricue.features.shard import SCHEMA, read_batches
from tricue.files.atomic import file_digest, replaced_file
from tricue.types import InputError, InvalidFileError, ModalityName

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_SMALL, _LARGE = 8_000_000, 64_000_000  # bytes: shards that are merged, and what they are merged to
_MANY = 64  # small shards that are merged while a run goes on


@dataclass(frozen=True)
class Row:
    """What the store knows of one key."""

    values: np.ndarray | None  # (T, D) float16; None: this signal gives no features
    note: str | None = None  # why there are none, or what is peculiar about those there are
    missed: int = 0  # frames without the face that was looked for: the whole frame stood in


class Store:
    """The features of one extractor. Opening it reads and checks every shard.

    `settings` is everything that decides the values; a change of any of them is another folder.
    Raises InputError where the folder cannot be written.
    """

    def __init__(self, root: Path, modality: ModalityName, name: str, settings: Mapping[str, Any]) -> None:
        settings = {"format": _FORMAT, "modality": modality, "name": name, **settings}
        text = json.dumps(settings, indent=2, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.folder = root / f"{modality}-{re.sub(r'[^A-Za-z0-9.-]+', '-', name)}-{digest}"
        self.broken: list[Path] = []  # shards that were set aside when it was opened
        self._rows: dict[str, tuple[pa.RecordBatch, int]] = {}
        self._small: dict[Path, int] = {}  # shard -> bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        _write_settings(self.folder / "settings.json", text.encode())
        seen: set[Path] = set()
        while fresh := sorted(set(self.folder.glob("shard-*.arrow")) - seen):
            seen.update(fresh)
            for shard in fresh:
                with suppress(FileNotFoundError):  # merged by another process: the next round finds it again
                    if _intact(shard):
                        self._index(shard)
                    else:
                        self.broken.append(shard.with_suffix(".broken"))

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: str) -> Row:
        """The row of a key; its values are a read-only view into the mapped file."""
        batch, i = self._rows[key]
        values = batch.column("values")
        note = batch.column("note")[i].as_py()
        missed = batch.column("missed")[i].as_py()
        if not values[i].is_valid:
            return Row(None, note)
        start, end = values.offsets[i].as_py(), values.offsets[i + 1].as_py()
        flat = values.values.slice(start, end - start).to_numpy(zero_copy_only=True)
        return Row(flat.reshape(-1, batch.column("width")[i].as_py()), note, missed)

    def add(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Write one shard of (key, Row) and serve it. Raises InputError where it cannot be written."""
        rows = list(rows)
        if not rows:
            return
        columns = [
            pa.array([key for key, _ in rows], pa.string()),
            pa.array([0 if row.values is None else row.values.shape[1] for _, row in rows], pa.int32()),
            _lists([row.values for _, row in rows]),
            pa.array([row.note for _, row in rows], pa.string()),
            pa.array([row.missed for _, row in rows], pa.int32()),
        ]
        self._write_shard(pa.record_batch(columns, schema=SCHEMA))
        if len(self._small) >= _MANY:
            self.merge()

    def merge(self) -> None:
        """Put small shards together, so that a store of many batches is a few files. A kill leaves both, which is
        twice the same rows and no harm; where the larger cannot be written, the small ones stay."""
        group: list[Path] = []
        for shard in sorted(self._small):
            group.append(shard)
            if sum(self._small[path] for path in group) >= _LARGE:
                self._merge(group)
                group = []
        self._merge(group)

    def _merge(self, shards: list[Path]) -> None:
        if len(shards) < 2:
            return
        kept: dict[str, None] = {}
        read, parts = [], []
        for shard in shards:
            del self._small[shard]
            # merged by another process, which keeps its rows; or changed on disk, and set aside by the next to open it
            with suppress(FileNotFoundError, InvalidFileError):
                for batch in read_batches(shard):
                    keys = batch.column("key").to_pylist()
                    new = [i for i, key in enumerate(keys) if key not in kept]
                    kept.update(dict.fromkeys(keys))
                    parts.append(batch.take(pa.array(new, pa.int64())))
                read.append(shard)
        if len(read) < 2:
            return
        merged = pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
        with suppress(InputError, OSError):  # no room for both; or a system that deletes no mapped file
            fresh = self._write_shard(merged)
            for shard in read:
                if shard != fresh:
                    shard.unlink(missing_ok=True)

    def _write_shard(self, batch: pa.RecordBatch) -> Path:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, SCHEMA) as writer:
            writer.write_batch(batch)
        content = sink.getvalue()
        shard = self.folder / f"shard-{hashlib.sha256(content).hexdigest()[:32]}.arrow"
        _write(shard, content)
        self._index(shard)
        return shard

    def _index(self, shard: Path) -> None:
        """Serve a shard's rows; those that are known are served from it from now on."""
        for batch in read_batches(shard):
            for i, key in enumerate(batch.column("key").to_pylist()):
                self._rows[key] = (batch, i)
        if (size := shard.stat().st_size) < _SMALL:
            self._small[shard] = size


def _lists(arrays: list[np.ndarray | None]) -> pa.Array:
    """(T, D) arrays as one Arrow column of flat float16 lists."""
    kept = [np.ascontiguousarray(a, np.float16).reshape(-1) for a in arrays if a is not None]
    flat = np.concatenate(kept) if kept else np.zeros(0, np.float16)
    sizes = [0 if a is None else a.size for a in arrays]
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    missing = pa.array([a is None for a in arrays])
    return pa.LargeListArray.from_arrays(offsets, pa.array(flat), mask=missing)


def _intact(shard: Path) -> bool:
    """Whether a shard can be served; if not, it is set aside with a warning.

    Raises FileNotFoundError where another process has merged it meanwhile.
    """
    trouble = _trouble(shard)
    if trouble is None:
        return True
    _LOG.warning("Features shard %s is broken (%s); its rows are made again.", shard, trouble)
    with suppress(FileNotFoundError):
        shard.replace(shard.with_suffix(".broken"))
    return False


def _trouble(shard: Path) -> str | None:
    """What is wrong with a shard: its bytes are not those that the name promises, or not rows of features."""
    if not stat.S_ISREG(shard.stat().st_mode):  # a pipe would be waited for
        return "no regular file"
    if shard.stem != f"shard-{file_digest(shard)[:32]}":
        return "its content has changed"
    try:
        read_batches(shard)
    except InvalidFileError as error:
        return str(error)
    return None


def _write_settings(path: Path, text: bytes) -> None:
    """What the folder's name is the digest of, for people; nothing reads it back."""
    if not path.is_file() or path.read_bytes() != text:
        _write(path, text)


def _write(path: Path, content: bytes | pa.Buffer) -> None:
    """Raises InputError where it cannot be written."""
    try:
        with replaced_file(path) as part, part.open("wb") as file:
            file.write(content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"Features cannot be written to {path}: {error.strerror or error}. "
        "Free some space, or name another folder with --store DIR or TRICUE_STORE."
    )
