"""Features that others have made: a file of ids and arrays in place of an extractor
(`features.<modality>.precomputed`).

    .npz   `id` (N,) text, and exactly one floating-point array (N, D) or (N, T, D); arrays of text are names
    .npy   (N, D) or (N, T, D), its ids beside it: NAME.ids.txt (one per line) or NAME.ids.npy
    .csv   a column `id`, every other column a number: (N, D)

(N, T, D) is taken as padded with zeros: time steps of zeros at the end are left out, and an id of zeros alone has no
features. Nothing is unpickled. All are float32 here: such values need not fit into the store's 16 bits.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tricue.config.feature_settings import FeaturesConfig
from tricue.files.array_file import ArrayArchive, read_npy, readable
from tricue.files.atomic import file_digest
from tricue.files.spreadsheet import unguarded
from tricue.spelling import listed
from tricue.types import InputError, InvalidFileError, ModalityName, shown

BLANKS = "\ufeff \t\r\n\xa0"  # around a column's name
_SHOWN = 5  # ids named in an error
_LONGEST = 100  # characters shown of an id or a cell
MAX_TEXT_BYTES = 2 * 2**30  # of a .csv, or of a list of ids


@dataclass(frozen=True)
class Precomputed:
    """What a file holds."""

    arrays: dict[str, np.ndarray]  # id -> (T, D) float32, T >= 1
    empty: frozenset[str]  # ids of zeros alone in an (N, T, D) array
    dim: int  # D
    sha256: str  # of the file
    path: Path


def located(features: FeaturesConfig, folder: Path | None) -> FeaturesConfig:
    """The settings with their precomputed files as whole paths: as given from here, else from the corpus's folder.

    Files that are nowhere keep their name; `read_precomputed` tells.
    """
    changed: dict[str, Any] = {}
    for modality in features.precomputed_modalities():
        path = Path(str(features[modality].precomputed)).expanduser()
        if not path.exists() and folder is not None and (folder / path).exists():
            path = folder / path
        if path.exists():
            path = path.resolve()
        changed[modality] = features[modality].model_copy(update={"precomputed": str(path)})
    return features.model_copy(update=changed)


def read_precomputed(source: str, modality: ModalityName) -> Precomputed:
    """The features in a file.

    Raises:
        InputError: There is no such file, or its ending is another.
        InvalidFileError: What is wrong with its content, and where.
    """
    setting, path = f"features.{modality}.precomputed={source}", Path(source)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{setting}: give a file that ends in {', '.join(_READERS)} (docs/features.md).")
    if not path.is_file():
        raise InputError(
            f"{setting}: there is no such file here or in the corpus's folder. Give its place with --set "
            f"features.{modality}.precomputed=FILE, leave the modality out (--modalities), or have it read from the "
            f"clips: --set features.{modality}.precomputed=null"
        )
    status = path.stat()
    return _read(path, status.st_size, status.st_mtime_ns, modality)


@lru_cache(maxsize=8)
def _read(path: Path, size: int, modified_ns: int, modality: ModalityName) -> Precomputed:
    """Once per file and process: training, evaluation and folds read the same one."""
    with readable(path):
        ids, values = _READERS[path.suffix.lower()](path)
        for id_ in ids:
            id_.encode()  # half a surrogate pair is a UnicodeEncodeError
    return _checked(path, ids, values)


def _checked(path: Path, ids: Sequence[str], values: np.ndarray) -> Precomputed:
    """Raises InvalidFileError for ids that repeat, are missing or too few, and for values that are no numbers."""

    def wrong(fault: str) -> InvalidFileError:
        return InvalidFileError(f"{path}: {fault}")

    if values.ndim not in (2, 3) or 0 in values.shape:
        raise wrong(f"its array is {values.shape}; it should be (N, D) or (N, T, D), none of them 0.")
    if len(ids) != len(values):
        raise wrong(f"{len(ids):,} ids for {len(values):,} rows of features; they must agree.")
    if not all(ids):
        raise wrong(f"row {list(ids).index('') + 1} has an empty id.")
    if twice := [id_[:_LONGEST] for id_, count in Counter(ids).items() if count > 1]:
        raise wrong(f"ids stand there more than once: {listed(twice, _SHOWN)}. Each may have one row.")
    with np.errstate(over="ignore"):  # named below
        values = values.astype(np.float32)
    finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if not finite.all():
        odd = [id_[:_LONGEST] for id_, fine in zip(ids, finite, strict=True) if not fine]
        raise wrong(
            f"values that are not finite numbers (NaN, infinite, beyond 32 bits) in {len(odd):,} rows: "
            f"{listed(odd, _SHOWN)}. Leave these rows out, and they count as without the modality."
        )
    arrays, empty = {}, set()
    for id_, array in zip(ids, values, strict=True):
        kept = array.reshape(-1, values.shape[-1])
        if array.ndim == 2:  # without the padding: up to the last step that holds anything
            kept = kept[: int(np.flatnonzero(kept.any(axis=1)).max(initial=-1)) + 1]
        if len(kept):
            arrays[id_] = kept
        else:
            empty.add(id_)
    return Precomputed(arrays, frozenset(empty), values.shape[-1], file_digest(path), path)


def _npz(path: Path) -> tuple[list[str], np.ndarray]:
    archive = ArrayArchive(path)
    floats = [name for name, header in archive.headers.items() if header.dtype.kind == "f"]
    if "id" not in archive.headers or len(floats) != 1:
        held = ", ".join(f"{name[:_LONGEST]} {header}" for name, header in archive.headers.items())
        raise InvalidFileError(
            f"{path}: it should hold `id` and exactly one floating-point array, (N, D) or (N, T, D); it holds "
            f"{held[:500] or 'nothing'}."
        )
    return _texts(path, archive.read("id")), archive.read(floats[0])


def _npy(path: Path) -> tuple[list[str], np.ndarray]:
    values = read_npy(path)
    if values.dtype.kind != "f":
        raise InvalidFileError(f"{path}: it should hold one floating-point array.")
    lines, stored = path.with_suffix(".ids.txt"), path.with_suffix(".ids.npy")
    if lines.is_file():
        _check_length(lines)
        return [line.strip() for line in lines.read_text(encoding="utf-8-sig").splitlines()], values
    if stored.is_file():
        return _texts(stored, read_npy(stored)), values
    raise InvalidFileError(
        f"{path}: it lacks its ids: put them into {lines.name} (one per line) or {stored.name} beside it."
    )


def _csv(path: Path) -> tuple[list[str], np.ndarray]:
    _check_length(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return _table(path, csv.reader(file))
        except csv.Error as error:
            raise InvalidFileError(f"{path} cannot be read as precomputed features: {error}") from error


def _table(path: Path, rows: Iterator[list[str]]) -> tuple[list[str], np.ndarray]:
    header = [name.strip(BLANKS) for name in next(rows, [])]
    if header.count("id") != 1 or len(header) < 2:
        named = shown(", ".join(header), 200, quoted=False)
        raise InvalidFileError(
            f"{path}: its first line should name one column `id` and the columns of features, with commas between "
            f"them; it is: {named or 'empty'}."
        )
    at = header.index("id")
    names = header[:at] + header[at + 1 :]
    ids: list[str] = []
    values: list[np.ndarray] = []
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InvalidFileError(
                f"{path}, line {line}: {len(row)} columns where the first line has {len(header)}: the features "
                "differ in width."
            )
        ids.append(unguarded(row[at]).strip())
        values.append(_numbers(f"{path}, line {line}", names, row[:at] + row[at + 1 :]))
    if not ids:
        raise InvalidFileError(f"{path}: it has no row of features.")
    return ids, np.stack(values)


def _numbers(place: str, names: Sequence[str], cells: Sequence[str]) -> np.ndarray:
    """(D,) float64. Python's own spellings, `1_000` and digits of other scripts, are no numbers here."""
    numbers = []
    for name, cell in zip(names, cells, strict=True):
        try:
            if not cell.isascii() or "_" in cell:
                raise ValueError
            numbers.append(float(cell))
        except ValueError as error:
            what = f"column {name[:_LONGEST]}: {cell[:_LONGEST]!r} is not a number"
            raise InvalidFileError(f"{place}, {what}.") from error
    return np.array(numbers)


def _check_length(path: Path) -> None:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise InvalidFileError(
            f"{path} has {path.stat().st_size:,} bytes, more than {MAX_TEXT_BYTES:,}; save the features as .npz."
        )


def _texts(path: Path, ids: np.ndarray) -> list[str]:
    if ids.ndim != 1 or ids.dtype.kind not in "UiuS":
        raise InvalidFileError(
            f"{path}: its ids are {ids.shape} {ids.dtype}; they should be one row of text, as in the manifest."
        )
    return [item.decode() if isinstance(item, bytes) else str(item) for item in ids.tolist()]


_READERS: dict[str, Callable[[Path], tuple[list[str], np.ndarray]]]
_READERS = {".npz": _npz, ".npy": _npy, ".csv": _csv}
