import errno
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tricue.features import store as store_room
from tricue.features.shard import read_batches
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
from tricue.features.shard import read_batches
from tricue.features.store import Row, Store
store = Store(Path(sys.argv[1]), "text", "some/encoder", {"version": 1, "layer": None})
print("open", flush=True)
for i in range(int(sys.argv[2])):
    values = np.full((40, 64), i, np.float16)
    store.add([(f"{i}-{j}", Row(values)) for j in range(20)])
"""


def writer(root: Path, shards: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(shards)], stdout=subprocess.PIPE)


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


# Merging


def names(store: Store) -> set[str]:
    return {path.name for path in store.folder.glob("shard-*.arrow")}


def of(store: Store) -> dict[str, tuple[bytes | None, str | None, int]]:
    """All that a store says, by key."""
    rows = {key: store[key] for key in store._rows}
    return {k: (None if r.values is None else r.values.tobytes(), r.note, r.missed) for k, r in rows.items()}


def filled(store: Store, shards: int, first: int = 0) -> Store:
    for i in range(first, first + shards):
        rows = [(f"{i}-{j}", Row(array(1 + j, seed=10 * i + j), "cut" if j else None, j)) for j in range(3)]
        store.add([*rows, (f"{i}-none", Row(None, "no words"))])
    return store


def test_merged_shards_are_one_file_of_the_same_rows(tmp_path):
    store = filled(opened(tmp_path), 6)
    before, early = of(store), store["3-2"].values
    assert before["3-2"][1:] == ("cut", 2) and len(names(store)) == 6
    store.merge()
    assert len(names(store)) == 1 and of(store) == of(opened(tmp_path)) == before
    np.testing.assert_array_equal(early, array(3, seed=32))  # given out before its file was deleted
    kept = names(store)
    store.merge()
    opened(tmp_path).merge()
    assert names(store) == kept


def test_small_shards_are_merged_while_a_run_goes_on_and_large_ones_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("tricue.features.store._MANY", 4)
    monkeypatch.setattr("tricue.features.store._SMALL", 10_000)
    store = opened(tmp_path)
    store.add([("large", Row(array(3000)))])
    large = names(store)
    for i in range(11):
        filled(store, 1, i)
        assert len(names(store)) <= 5
    store.merge()
    assert len(names(store)) <= 1 + 3 and large < names(store)  # 44 rows are more than a small shard holds
    assert len(of(opened(tmp_path))) == 45


def test_merged_shards_are_not_larger_than_they_need_be(tmp_path, monkeypatch):
    monkeypatch.setattr("tricue.features.store._LARGE", 8_000)
    store = filled(opened(tmp_path), 30)
    store.merge()
    sizes = [path.stat().st_size for path in store.folder.glob("shard-*.arrow")]
    assert 1 < len(sizes) < 15 and max(sizes) < 16_000 and len(opened(tmp_path)) == 120


def test_rows_that_stand_twice_are_kept_once(tmp_path):
    """As after two runs side by side, or a kill between a merged shard and the deletion of its parts."""
    one, other = filled(opened(tmp_path), 3), opened(tmp_path / "other")
    filled(other, 4, 1)
    for shard in other.folder.glob("shard-*.arrow"):
        (one.folder / shard.name).write_bytes(shard.read_bytes())
    both = opened(tmp_path)
    before = of(both)
    both.merge()
    assert len(names(both)) == 1 and of(opened(tmp_path)) == before and len(before) == 5 * 4
    (batch,) = read_batches(only_shard(both))
    assert len(batch) == len(before)


def test_a_kill_after_the_merged_shard_loses_nothing(tmp_path, monkeypatch):
    store = filled(opened(tmp_path), 4)
    before, parts = of(store), names(store)

    def killed(self: Path, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            store.merge()
    assert parts < names(store)
    again = opened(tmp_path)
    assert of(again) == before and not again.broken
    again.merge()
    assert len(names(again)) == 1 and of(opened(tmp_path)) == before


def test_merging_needs_no_shard_that_another_process_has_merged(tmp_path):
    first, second = filled(opened(tmp_path), 4), opened(tmp_path)
    filled(second, 2, 4)
    third = opened(tmp_path)
    first.merge()  # deletes what the other two still read
    for store in (second, third):
        before = of(store)
        store.merge()
        assert of(store) == before
    assert len(opened(tmp_path)) == 24 and not opened(tmp_path).broken


def test_a_store_that_is_opened_while_another_process_merges(tmp_path, monkeypatch):
    """Shards vanish after they were listed; their rows are in one that was not."""
    before = of(filled(opened(tmp_path), 4))
    intact = store_room._intact
    calls = []

    def meanwhile(shard: Path) -> bool:
        calls.append(shard)
        if len(calls) == 2:
            with monkeypatch.context() as patch:
                patch.setattr(store_room, "_intact", intact)
                opened(tmp_path).merge()
        return intact(shard)

    monkeypatch.setattr(store_room, "_intact", meanwhile)
    late = opened(tmp_path)
    assert of(late) == before and not late.broken


def test_where_a_merged_shard_cannot_be_written_the_small_ones_stay(tmp_path, monkeypatch):
    store = filled(opened(tmp_path), 3)
    before, parts = of(store), names(store)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        store.merge()
    assert names(store) == parts and of(store) == before and of(opened(tmp_path)) == before


MERGER = """
import sys
from pathlib import Path
import numpy as np
from tricue.features.shard import read_batches
from tricue.features.store import Row, Store
for turn in range(30):
    store = Store(Path(sys.argv[1]), "text", "some/encoder", {"version": 1, "layer": None})
    assert not store.broken
    for i in range(4):
        store.add([(f"{sys.argv[2]}-{turn}-{i}", Row(np.full((3, 4), turn, np.float16)))])
    store.merge()
"""


def test_processes_that_merge_at_once_lose_nothing(tmp_path):
    merging = [
        subprocess.Popen([sys.executable, "-c", MERGER, str(tmp_path), name], stderr=subprocess.PIPE) for name in "ab"
    ]
    for process in merging:
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 0, errors.decode()
    store = opened(tmp_path)
    assert len(store) == 2 * 30 * 4 and not store.broken
    assert all((store[f"{name}-{turn}-0"].values == turn).all() for name in "ab" for turn in range(30))


# What earlier versions wrote, and what is broken


def test_shards_of_before_the_column_missed_are_served_and_merged(tmp_path):
    store = opened(tmp_path)
    rows = [("old", Row(array(2, seed=5), "cut")), ("none", Row(None, "no words"))]
    store.add(rows)
    (shard,) = store.folder.glob("shard-*.arrow")
    (batch,) = read_batches(shard)
    sink = pa.BufferOutputStream()
    old = batch.select(["key", "width", "values", "note"])
    with pa.ipc.new_file(sink, old.schema) as writer:
        writer.write_batch(old)
    content = sink.getvalue().to_pybytes()
    shard.unlink()
    (store.folder / f"shard-{hashlib.sha256(content).hexdigest()[:32]}.arrow").write_bytes(content)
    again = opened(tmp_path)
    assert not again.broken and again["none"].note == "no words"
    assert again["old"].missed == 0 and again["old"].note == "cut"
    np.testing.assert_array_equal(again["old"].values, array(2, seed=5))
    again.add([("new", Row(array(2), None, 1))])
    before = of(again)
    again.merge()
    assert len(names(again)) == 1 and of(again) == of(opened(tmp_path)) == before


def test_broken_shards_are_listed_by_the_store_that_set_them_aside(tmp_path):
    store = filled(opened(tmp_path), 2)
    assert not store.broken
    shard = sorted(store.folder.glob("shard-*.arrow"))[1]
    shard.write_bytes(shard.read_bytes()[:-1])
    again = opened(tmp_path)
    assert again.broken == [shard.with_suffix(".broken")] and len(again) == 4
    assert not opened(tmp_path).broken  # told once
