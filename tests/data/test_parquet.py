"""Parquet tables: the types of their columns, media inside them, and small files that say much."""

import datetime
import decimal
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tricue.data import table
from tricue.data.manifest import read_manifest
from tricue.data.table import ManifestError
from tricue.data.table_files import read_table
from tricue.types import InputError, Utterance

SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt \xff\xfe" + bytes(300)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where media inside tables go."""
    monkeypatch.setenv("TRICUE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def written(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = folder / "m.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


def one_fault(path: Path, **options: Any) -> str:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, **options)
    assert len(caught.value.faults) == 1, caught.value
    assert len(str(caught.value)) < 600 + len(str(path))
    return str(caught.value.faults[0])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("column", ["audio", "video", "image"])
def test_bytes_and_path_as_datasets_writes_it_are_a_clip(tmp_path: Path, store: Path, column: str, kind: Any) -> None:
    (tmp_path / "b.wav").write_bytes(SOUND)
    files = pa.array(
        [{"bytes": SOUND, "path": "deep/a.WAV"}, {"bytes": None, "path": "b.wav"}, None, {"bytes": b"", "path": None}],
        pa.struct([("bytes", kind), ("path", pa.string())]),
    )
    path = written(tmp_path, {"id": ["a", "b", "c", "d"], "text": ["x"] * 4, column: files})
    rows = [row.source({"image": "video"}.get(column, column)) for row in read_manifest(path)]
    digest = hashlib.sha256(SOUND).hexdigest()[:32]
    assert rows == [store / "embedded" / f"{digest}.wav", tmp_path / "b.wav", None, None]
    assert rows[0].read_bytes() == SOUND
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.wav", "m.parquet", "store"]  # nothing beside the table
    assert read_manifest(path)[0] == read_manifest(path)[0] and len(list((store / "embedded").iterdir())) == 1


def test_plain_bytes_are_a_clip_or_a_path(tmp_path: Path, store: Path) -> None:
    (tmp_path / "b.wav").touch()
    path = written(tmp_path, {"id": ["a", "b"], "audio": [SOUND, b"b.wav"]})
    a, b = read_manifest(path)
    assert a.audio is not None and a.audio.parent == store / "embedded" and a.audio.read_bytes() == SOUND
    assert b.audio == tmp_path / "b.wav"


def test_a_store_that_cannot_be_written_names_the_variable(tmp_path: Path, store: Path) -> None:
    store.write_text("a file")
    path = written(tmp_path, {"id": ["a"], "audio": [{"bytes": SOUND, "path": "a.wav"}]})
    with pytest.raises(InputError, match="TRICUE_STORE=FOLDER"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("audio", [[0.5, 0.25]]),
        ("audio", [{"array": [0.5], "sampling_rate": 16_000}]),
        ("text", [["a", "b"]]),
        ("text", [{"bytes": b"abc", "path": "a.wav"}]),
        ("id", [{"a": 1}]),
    ],
)
def test_a_column_of_another_type_is_one_short_fault(tmp_path: Path, column: str, cells: list[Any]) -> None:
    columns = {"id": ["a"] * 70, "text": ["x"] * 70} | {column: cells * 70}
    assert f"column {column}" in (fault := one_fault(written(tmp_path, columns)))
    assert "a type that is not read" in fault


def test_columns_of_every_plain_type_are_text(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 1, 2, 3, 4, 5)
    path = written(tmp_path, {
        "id": pa.array([day], pa.timestamp("ns")), "text": pa.array([b"gl\xc3\xbcck"], pa.large_binary()),
        "speaker": pa.array(["01"]).dictionary_encode(), "dialogue": [datetime.date(2024, 1, 2)],
        "start": [decimal.Decimal("1.50")], "end": pa.array([2.5], pa.float32()), "turn": pa.array([3], pa.int8()),
        "emotion": pa.array([1.0]), "split": pa.array(["train"], pa.string_view()),
    })  # fmt: skip
    assert read_manifest(path) == [
        Utterance(
            "2024-01-02 03:04:05", text="glück", start=1.5, end=2.5, label="1.0", speaker="01",
            dialogue="2024-01-02", turn=3, split="train",
        )
    ]  # fmt: skip


def test_text_that_is_not_utf8_is_named_and_short(tmp_path: Path) -> None:
    path = written(tmp_path, {"id": ["a", "b"], "text": [b"\xff" * 500_000, b"fine"]})
    assert one_fault(path).startswith("row 2, column text, '\ufffd")
    broken = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    assert "wrong encoding" in one_fault(written(tmp_path, {"id": ["a"], "text": broken}))


def test_columns_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    path = written(tmp_path, {
        "id": ["a"], "text": ["x"], "blob": [b"\xff" * 1000], "vector": [[1.0, 2.0]], "big": ["y" * 3_000_000],
        "odd": pa.array([b"\xff"], pa.binary()).view(pa.string()), "struct": [{"bytes": b"z", "path": "p"}],
    })  # fmt: skip
    assert read_manifest(path) == [Utterance("a", text="x")]


def repeated(value: str, times: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([value]))


BOMBS = {  # what is refused, and how: all that in some kilobytes
    "a cell of 40,000,000 characters": lambda: {"id": ["a"], "text": ["x" * 40_000_000]},
    "more bytes of text than are read": lambda: {"text": repeated("x" * 900_000, 100_000)},  # 90 GB
    "more rows than are read": lambda: {"text": repeated("x", 2_100_000)},
}
READ = """
import sys
from pathlib import Path
from tricue.data.manifest import read_manifest
from tricue.types import InvalidFileError
for path in sys.argv[1:]:
    try: read_manifest(Path(path), for_prediction=True)
    except InvalidFileError as error: print(str(error).splitlines()[1])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_small_files_that_say_much_are_refused_in_little_memory(tmp_path: Path) -> None:
    paths = []
    for number, columns in enumerate(BOMBS.values()):
        paths.append(tmp_path / f"{number}.parquet")
        pq.write_table(pa.table(columns()), paths[-1], compression="zstd")
        assert paths[-1].stat().st_size < 2_000_000
    done = subprocess.run([sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, check=True)
    *faults, peak = done.stdout.splitlines()
    assert [kind in fault for kind, fault in zip(BOMBS, faults, strict=True)] == [True] * len(BOMBS), faults
    assert int(peak) < 600_000  # kB


def test_a_file_whose_media_repeat_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tricue.data.parquet.MEDIA_LEAST", 1_000_000)
    cell = {"bytes": bytes(100_000), "path": "a.wav"}
    path = written(tmp_path, {"id": [f"u{i}" for i in range(50)], "audio": [cell] * 50}, compression="zstd")
    assert "more bytes of media" in one_fault(path)


def test_a_column_that_stands_twice_is_a_fault_where_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["x"]), pa.array(["y"])], ["id", "text", "text"]), path
    )
    assert "column stands twice" in one_fault(path)
    pq.write_table(
        pa.Table.from_arrays(
            [pa.array(["a"]), pa.array(["x"]), pa.array(["x"]), pa.array(["y"])], ["id", "text", "o", "o"]
        ),
        path,
    )
    assert [row.text for row in read_manifest(path)] == ["x"]


def test_a_table_of_many_rows_is_refused_before_it_fills_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 100)
    path = tmp_path / "m.csv"
    path.write_text("id,text\n" + "".join(f"u{i},x\n" for i in range(200)))
    with pytest.raises(ManifestError, match="more rows or columns than are read"):
        read_manifest(path)
    assert read_table(path, wanted={"id"}).rows == []


@pytest.mark.parametrize("content", [{"bytes": SOUND, "path": "a.wav"}, SOUND * 5000])
def test_a_clip_under_another_spelling_of_its_column_is_a_fault_of_the_header(tmp_path: Path, content: Any) -> None:
    assert "rename it to audio" in one_fault(written(tmp_path, {"id": ["a"], "text": ["hm"], "Audio": [content]}))
    utterance = read_manifest(written(tmp_path, {"id": ["a"], "audio ": [content]}))[0]
    assert utterance.audio is not None and utterance.audio.read_bytes().startswith(SOUND)
