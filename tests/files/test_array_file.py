"""Precomputed features from elsewhere: headers that lie, bombs and damage are one error, before memory is asked for."""

import io
import os
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from tests.mutations import COUNTS, DAMAGE, damaged, flip_bit, survived

from tricue.extractors.precomputed import read_precomputed
from tricue.files import array_file
from tricue.types import InvalidFileError

IDS = np.array(["a", "b", "c"])
VALUES = np.arange(6, dtype=np.float32).reshape(3, 2) + 0.5


def header(shape: str, descr: str = "'<f4'") -> bytes:
    """The head of a .npy file that says so, whatever follows."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return npy.magic(1, 0) + struct.pack("<H", len(text)) + text


def member(array: Any) -> bytes:
    if isinstance(array, bytes):
        return array
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(path: Path, compression: int = zipfile.ZIP_STORED, **members: Any) -> str:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name if "." in name else f"{name}.npy", member(content))
    return str(path)


HEADERS = {
    "a shape of 10**12": header("(1000000000, 1000)"),
    "a negative shape": header("(-3, -2)"),
    "a shape beyond 64 bits": header(f"({10**30}, 2)"),
    "a shape of text": header("('x', 2)"),
    "a shape too small": header("(1, 2)"),
    "pickled": header("(3,)", "'|O'"),
    "records": header("(3,)", "[('a', '<f4'), ('b', '<f4')]"),
    "a type that is none": header("(3, 2)", "'<q99'"),
    "a type of no size": header(f"({10**12},)", "'<U0'"),
    "a deep type": header("(3, 2)", "[" * 3_000 + "]" * 3_000),
    "a deep expression": header("(" * 200 + "3" + ")" * 200),
    "a call": header("__import__('os').getcwd()"),
    "another version": npy.magic(3, 0) + bytes(100),
    "no header": b"\x93NUMPY",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_headers_are_compared_with_what_is_there(tmp_path: Path, name: str, ending: str) -> None:
    content = HEADERS[name] + (VALUES.tobytes() if len(HEADERS[name]) > 6 else b"")
    if ending == ".npz":
        archive(tmp_path / "x.npz", id=IDS, x=content)
    else:
        (tmp_path / "x.npy").write_bytes(content)
        np.save(tmp_path / "x.ids.npy", IDS)
    with pytest.raises(InvalidFileError) as told:
        read_precomputed(str(tmp_path / f"x{ending}"), "audio")
    assert f"x{ending}" in str(told.value) and len(str(told.value)) < 1_000


def test_ids_of_no_size_are_not_listed(tmp_path: Path) -> None:
    for ids in (HEADERS["a type of no size"], HEADERS["a shape of 10**12"], HEADERS["pickled"]):
        with pytest.raises(InvalidFileError):
            read_precomputed(archive(tmp_path / "x.npz", id=ids, x=VALUES), "audio")


def zeros(number: int) -> bytes:
    """A .npy of so many bytes of zeros."""
    return header(f"({number // 8}, 2)") + bytes(number)


def test_a_bomb_is_refused_by_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest header, a kilobyte of deflate per megabyte: nothing is inflated."""
    monkeypatch.setattr(array_file, "SMALL_BYTES", 2**20)
    source = archive(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, id=IDS, x=zeros(2**24))
    monkeypatch.setattr(npy, "read_array", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(InvalidFileError, match=r"x inflates 1,0\d\d times"):
        array_file.ArrayArchive(Path(source)).read("x")


def test_more_than_memory_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_file, "MAX_ARRAY_BYTES", 16)
    for write in (lambda p: archive(p.with_suffix(".npz"), id=IDS[:1], x=VALUES), lambda p: np.save(p, VALUES)):
        write(tmp_path / "x.npy")
    for name in ("x.npz", "x.npy"):
        with pytest.raises(InvalidFileError, match="at most 16 are read"):
            read_precomputed(str(tmp_path / name), "audio")


def test_a_directory_that_lies_of_a_size(tmp_path: Path) -> None:
    """The directory says less than the header: what is read ends where the directory says."""
    path = Path(archive(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, id=IDS, x=zeros(2**20)))
    content = bytearray(path.read_bytes())
    size = struct.pack("<I", 2**20 + len(header(f"({2**17}, 2)")))
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, struct.pack("<I", 2_000)))
    with pytest.raises(InvalidFileError, match="CRC"):
        array_file.ArrayArchive(path).read("x")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_inflates_without_a_bound(tmp_path: Path, packing: int) -> None:
    with pytest.raises(InvalidFileError, match="compressed otherwise"):
        read_precomputed(archive(tmp_path / "x.npz", packing, id=IDS, x=VALUES), "audio")


def test_arrays_that_are_not_needed_are_not_read(tmp_path: Path) -> None:
    lying = HEADERS["a shape of 10**12"].replace(b"<f4", b"<i4")
    beside = {"names": header("(9,)", "'|O'") + b"never unpickled", "count": lying}
    source = archive(tmp_path / "x.npz", id=IDS, x=VALUES, **beside, **{"note.txt": b"how it was made"})
    np.testing.assert_array_equal(read_precomputed(source, "audio").arrays["b"], VALUES[1:2])


def test_a_name_that_stands_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        for name, array in (("id", IDS), ("x", VALUES), ("x", VALUES + 1)):
            file.writestr(f"{name}.npy", member(array))
    with pytest.raises(InvalidFileError, match="x twice"):
        read_precomputed(str(tmp_path / "x.npz"), "audio")


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "x.npz", id=IDS, x=VALUES))
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match="encrypted"):
        read_precomputed(str(path), "audio")


def test_many_members(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="members"):
        read_precomputed(archive(tmp_path / "x.npz", **{f"m{i}": b"" for i in range(1_001)}), "audio")


@pytest.mark.parametrize("ids", [np.array(["a", "\ud800", "c"]), np.array([b"a", b"\xff", b"c"])])
def test_ids_that_are_no_text(tmp_path: Path, ids: np.ndarray) -> None:
    with pytest.raises(InvalidFileError, match="cannot be read"):
        read_precomputed(archive(tmp_path / "x.npz", id=ids, x=VALUES), "audio")


def test_a_long_id_is_not_quoted_whole(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError) as told:
        read_precomputed(archive(tmp_path / "x.npz", id=np.array(["x" * 100_000] * 3), x=VALUES), "audio")
    assert len(str(told.value)) < 1_000


CELLS: dict[str, str] = {
    "inf": "not finite", "1_0": "'1_0' is not a number", "\u0661": "is not a number", "1e999": "not finite",
    "9" * 100_000: "not finite", "9" * 200_000: "field larger|not finite", "x" * 100_000: "is not a number",
    "": "is not a number", "\0": "NUL|not a number",
}  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: repr(cell[:8]))
def test_cells_that_are_no_numbers(tmp_path: Path, cell: str) -> None:
    (tmp_path / "x.csv").write_text(f"id,f\na,{cell}\n")
    with pytest.raises(InvalidFileError, match=CELLS[cell]) as told:
        read_precomputed(str(tmp_path / "x.csv"), "audio")
    assert len(str(told.value)) < 1_000


def test_fortran_order_is_read_as_it_is_meant(tmp_path: Path) -> None:
    source = archive(tmp_path / "x.npz", id=IDS, x=np.asfortranarray(VALUES))
    np.testing.assert_array_equal(read_precomputed(source, "audio").arrays["c"], VALUES[2:])


MAKE: dict[str, Callable[[Path], Any]] = {
    "plain.npz": lambda path: np.savez(path, id=IDS, x=VALUES, names=np.array(["f", "g"])),
    "packed.npz": lambda path: np.savez_compressed(path, id=IDS, x=np.tile(VALUES[:, None], (1, 9, 1))),
    "x.npy": lambda path: (np.save(path, VALUES), path.with_suffix(".ids.txt").write_text("a\nb\nc\n")),
    "x.csv": lambda path: path.write_text("id,f,g\n" + "".join(f"{i},{i}.5,1e{i}\n" for i in range(9))),
}


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(tmp_path: Path, files: int) -> None:
    """Damage is refused; in an archive, whose members have a checksum, what is read is what was there."""
    for name, make in MAKE.items():
        make(tmp_path / name)
    whole = {name: (tmp_path / name).read_bytes() for name in MAKE}
    expected = {name: read_precomputed(str(tmp_path / name), "audio") for name in MAKE}

    def refused(number: int) -> bool:
        rng = np.random.default_rng([19, number])
        name = list(MAKE)[number % len(MAKE)]
        folder = tmp_path / f"fuzz-{number}"
        folder.mkdir()
        shutil.copy(tmp_path / "x.ids.txt", folder)
        (folder / name).write_bytes(damaged(rng, whole[name], [*DAMAGE, flip_bit, flip_bit], most=2))
        os.utime(folder / name, ns=(number, number))
        began = time.monotonic()
        try:
            found = read_precomputed(str(folder / name), "audio")
        except InvalidFileError as error:
            assert name in str(error) and len(str(error)) < 2_000
            return True
        finally:
            shutil.rmtree(folder)
            assert time.monotonic() - began < 20
        if name.endswith(".npz"):
            assert found.arrays.keys() == expected[name].arrays.keys()
            for id_, array in found.arrays.items():
                np.testing.assert_array_equal(array, expected[name].arrays[id_])
        return False

    assert survived(files, refused) > files / 2
