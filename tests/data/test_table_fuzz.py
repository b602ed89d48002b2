"""Damaged tables: each is read as it was, or is one error that says so. tests/mutations.py says how many."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.mutations import COUNTS

from tricue.data.manifest import read_manifest, write_manifest
from tricue.types import InvalidFileError, Utterance

ROWS = [
    Utterance(f"u{i}", text=f"word {i * 7919 % 97}, and “more”", label="joy", speaker="01", turn=i, split="train")
    for i in range(40)
]
PIECES = [b"\x00", b'"', b",", b"\n", b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b"=", b"\x80", b"," * 3000, b"a" * 200_000]


def damaged(content: bytes, number: int) -> bytes:
    """The file of that number, the same in every run: bytes changed, cut, left out, put in."""
    rng = np.random.default_rng([11, number])
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, len(changed) + 1))
        match int(rng.integers(5)):
            case 0:
                del changed[at:]
            case 1:
                del changed[at : at + int(rng.integers(1, 200))]
            case 2:
                changed[at:at] = PIECES[int(rng.integers(len(PIECES)))]
            case _:
                for place in rng.integers(0, max(1, len(changed)), int(rng.integers(1, 8))):
                    changed[place : place + 1] = rng.bytes(1)
    return bytes(changed)


def mixed_parquet(path: Path) -> None:
    """Types that manifests of others have."""
    pq.write_table(
        pa.table({
            "id": pa.array(range(40)), "text": pa.array([row.text for row in ROWS]).dictionary_encode(),
            "emotion": pa.array([b"joy"] * 40, pa.large_binary()), "start": pa.array([0.5] * 40, pa.float32()),
            "audio": [{"bytes": b"sound" * 20, "path": "a.wav"}] * 40, "other": [[1.0]] * 40,
        }),
        path, row_group_size=11, write_page_checksum=True,
    )  # fmt: skip


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["csv", "parquet", "mixed"])
def test_a_damaged_table_is_one_error_or_what_it_was(
    kind: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRICUE_STORE", str(tmp_path / "store"))
    path = tmp_path / ("m.csv" if kind == "csv" else "m.parquet")
    if kind == "mixed":
        mixed_parquet(path)
    else:
        write_manifest(ROWS, path)
    content = path.read_bytes()
    found: Counter[str] = Counter()
    for number in range(count):
        path.write_bytes(damaged(content, number))
        try:
            read = read_manifest(path)
        except InvalidFileError as error:
            assert len(str(error)) < 60_000 and max(map(len, str(error).splitlines())) < 1_200, number
            str(error).encode("utf-8")
            found["refused"] += 1
            continue
        found["read"] += 1
        if kind != "csv":  # whose cells may say anything
            assert [row.text for row in read] in ([row.text for row in ROWS], [None] * 40), number
    assert found["refused"] > count / 3, found
