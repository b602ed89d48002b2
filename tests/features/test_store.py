from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tricue.features.store import Row, Store
from tricue.types import InputError


def array(steps: int, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(steps, width)).astype(np.float16)


def opened(root: Path, **changed: object) -> Store:
    return Store(root, "text", "some/encoder", {"version": 1, "layer": None, **changed})


def only_shard(store: Store) -> Path:
    (shard,) = store.folder.glob("shard-*.arrow")
    return shard


def test_rows_come_back_from_disk_as_views(tmp_path):
    rows = [("a", Row(array(3))), ("b", Row(None, "no words")), ("c", Row(array(5, seed=1), "cut"))]
    opened(tmp_path).add(rows)
    store = opened(tmp_path)
    assert len(store) == 3 and "b" in store and "d" not in store
    for key, row in rows:
        if row.values is None:
            assert store[key].values is None
        else:
            np.testing.assert_array_equal(store[key].values, row.values)
            assert store[key].values.dtype == np.float16
            assert not store[key].values.flags.owndata and not store[key].values.flags.writeable
        assert store[key].note == row.note


@given(st.lists(st.integers(1, 9) | st.none(), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lengths(tmp_path, lengths):
    store = opened(tmp_path, example=repr(lengths))
    rows = [(str(i), Row(None, "x") if n is None else Row(array(n, 3, i))) for i, n in enumerate(lengths)]
    store.add(rows)
    for key, row in rows:
        own = store[key].values
        assert (own is None) == (row.values is None)
        if own is not None:
            np.testing.assert_array_equal(own, row.values)


def test_a_changed_setting_is_another_folder(tmp_path):
    first = opened(tmp_path)
    first.add([("a", Row(array(2)))])
    for changed in ({"layer": 3}, {"version": 2}, {"weights": "0"}):
        assert "a" not in opened(tmp_path, **changed)
    assert "a" in opened(tmp_path)


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_broken_shard_is_named_set_aside_and_made_again(tmp_path, harm, caplog):
    store = opened(tmp_path)
    store.add([("a", Row(array(2)))])
    store.add([("b", Row(array(2, seed=1)))])
    shard = sorted(store.folder.glob("shard-*.arrow"))[0]
    content = bytearray(shard.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
    del content[{"flip": len(content), "cut": len(content) // 2, "empty": 0}[harm] :]
    shard.unlink()  # the mapped file of the store above stays as it is
    shard.write_bytes(content)

    again = opened(tmp_path)
    assert len(again) == 1
    assert shard.name in caplog.text and "made again" in caplog.text
    assert not shard.exists() and shard.with_suffix(".broken").exists()
    again.add([(key, Row(array(2, seed=seed))) for key, seed in (("a", 0), ("b", 1)) if key not in again])
    whole = opened(tmp_path)
    np.testing.assert_array_equal(whole["a"].values, array(2))
    np.testing.assert_array_equal(whole["b"].values, array(2, seed=1))


def test_an_unfinished_write_is_not_read_and_an_old_one_goes(tmp_path):
    store = opened(tmp_path)
    fresh, old = store.folder / "shard-0.arrow.1.tmp", store.folder / "shard-0.arrow.2.tmp"
    for path in (fresh, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 1e6,) * 2)
    assert len(opened(tmp_path)) == 0
    assert fresh.exists() and not old.exists()


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    store = opened(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left.*--store"):
        store.add([("a", Row(array(2)))])
    assert [path.name for path in store.folder.iterdir()] == ["settings.json"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--store"):
        opened(tmp_path / "file")


WRITER = """
import sys
from pathlib import Path
import numpy as np
from tricue.features.store import Row, Store
store = Store(Path(sys.argv[1]), "text", "some/encoder", {"version": 1, "layer": None})
print("open", flush=True)
for i in range(int(sys.argv[2])):
    values = np.full((40, 64), i, np.float16)
    store.add([(f"{i}-{j}", Row(values)) for j in range(20)])
"""


def writer(root: Path, shards: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(shards)], stdout=subprocess.PIPE)


def test_two_processes_at_once(tmp_path):
    both = [writer(tmp_path, 15) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    store = opened(tmp_path)
    assert len(store) == 15 * 20
    assert not list(store.folder.glob("*.tmp")) and not list(store.folder.glob("*.broken"))
    assert all((store[f"{i}-3"].values == i).all() for i in range(15))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.02, 0.1, 0.3])
def test_killed_while_writing(tmp_path, moment):
    process = writer(tmp_path, 100_000)
    process.stdout.readline()
    time.sleep(moment)
    process.kill()
    process.wait(30)
    store = opened(tmp_path)
    assert len(store) % 20 == 0  # whole shards only
    assert not list(store.folder.glob("*.broken"))
    assert all((store[f"{i}-0"].values == i).all() for i in range(len(store) // 20))
