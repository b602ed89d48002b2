"""Physiological signals: a CSV of samples per row, resampled to a grid; or precomputed sequences.

The CSV has a header with the columns `seconds`, ascending, and one per channel (heart rate, skin conductance, ...).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from pydantic import Field

from tricue.config.feature_settings import ModalityFeatures
from tricue.config.section import EncoderName
from tricue.extractors.choice import Extractor
from tricue.media.decoding import content_digest
from tricue.modalities.modality import Modality, Rows
from tricue.modalities.requests import KeyPart, Opener, Request, Signal, Wanted
from tricue.types import InvalidFileError, ModalityName, Moment, Utterance

TIME = "seconds"


class PhysiologyFeatures(ModalityFeatures):
    """How the body reacts."""

    encoder: EncoderName = "light"
    """`light`: the samples themselves, on the grid."""
    channels: list[str] = ["heart_rate", "skin_conductance"]
    """Columns of the CSV that are read."""
    rate_hz: Annotated[float, Field(gt=0.0, le=1000.0)] = 4.0
    """Steps of the grid per second."""
    max_seconds: Annotated[float, Field(gt=0.0)] = 60.0
    """Longest part that is read."""


def read_samples(
    path: Path, channels: Sequence[str], start: float | None = None, end: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) in seconds and values (N, C) of the samples from `start` to `end`.

    Raises:
        OSError: There is no such file.
        InvalidFileError: A column is missing, a cell is no number, times do not ascend, or no sample is in the part.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if lacking := [name for name in (TIME, *channels) if name not in (rows.fieldnames or ())]:
            raise InvalidFileError(
                f"{path}: column {lacking[0]} not found; features.physiology.channels={list(channels)} needs it."
            )
        try:
            table = np.array([[float(row[name]) for name in (TIME, *channels)] for row in rows])
        except (TypeError, ValueError) as error:
            raise InvalidFileError(f"{path}: a cell is no number ({error}); give one.") from error
    table = table.reshape(-1, 1 + len(channels))
    if not (np.isfinite(table).all() and (np.diff(table[:, 0]) > 0).all()):
        raise InvalidFileError(f"{path}: {TIME} must ascend, and every cell be finite; sort the rows.")
    low, high = (start or 0.0), (np.inf if end is None else end)
    part = table[(table[:, 0] >= low) & (table[:, 0] < high)]
    if not len(part):
        raise InvalidFileError(f"{path}: no sample from {low:g} to {high:g} s; check start and end.")
    return part[:, 0], part[:, 1:]


def resample(times: np.ndarray, values: np.ndarray, rate_hz: float, max_seconds: float) -> np.ndarray:
    """(T, C) float32: values between samples by linear interpolation, every 1 / rate_hz seconds from the first on."""
    length = min(float(times[-1] - times[0]), max_seconds)
    grid = times[0] + np.arange(int(length * rate_hz) + 1) / rate_hz
    return np.stack([np.interp(grid, times, channel) for channel in values.T], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Samples:
    """The extractor: the channels on the grid."""

    config: PhysiologyFeatures
    name: str = "light"
    version: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        return self.config.model_dump(include={"channels", "rate_hz", "max_seconds"})

    @property
    def dims(self) -> tuple[int, ...]:
        return (len(self.config.channels),)

    def prepare(self, signal: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return resample(*signal, self.config.rate_hz, self.config.max_seconds)

    def encode(self, prepared: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(prepared)


@dataclass(frozen=True)
class SamplesFile(Opener):
    """A time span of a CSV of samples."""

    path: Path
    start: float | None = None
    end: float | None = None

    def __str__(self) -> str:
        return str(self.path)

    def key_parts(self) -> tuple[KeyPart, ...]:
        return content_digest(self.path), self.start, self.end

    def open(self, wanted: Mapping[ModalityName, Wanted]) -> Mapping[ModalityName, Signal]:
        return {name: self._read(cast(Samples, own.extractor).config) for name, own in wanted.items()}

    def _read(self, settings: PhysiologyFeatures) -> Signal:
        try:
            return Signal(read_samples(self.path, settings.channels, self.start, self.end))
        except (OSError, InvalidFileError) as error:
            return Signal(None, str(error))


class Physiology(Modality[PhysiologyFeatures]):
    name = "physiology"
    word = "body signals"
    colour = "#999933"
    Settings = PhysiologyFeatures

    def make_extractor(self, settings: PhysiologyFeatures, device: str, weights: bool = True) -> Samples:
        return Samples(settings)

    def make_requests(self, rows: Rows, extractor: Extractor, among: Rows | None) -> dict[str, Request]:
        paths = {row: row.media.get(self.name) for row in rows}
        return {row.id: Request(SamplesFile(path, *row.span(self.name))) for row, path in paths.items() if path}

    def count_steps(self, settings: PhysiologyFeatures, seconds: float) -> int:
        return round(seconds * settings.rate_hz)

    def _spans(self, row: Utterance, count: int, settings: PhysiologyFeatures, *_: object) -> list[Moment]:
        edges = (row.span(self.name)[0] or 0.0) + np.arange(count + 1) / settings.rate_hz
        return [Moment(f"{a:.2f}-{b:.2f} s", float(a), float(b)) for a, b in pairwise(edges)]


PHYSIOLOGY = Physiology()
