"""The openers of words, media files and signals in memory, and which of them a row's modalities request."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tricue.extractors.choice import Extractor
from tricue.extractors.text_extractors import Spoken, with_context
from tricue.files.atomic import file_status
from tricue.media.decoding import Clip, MediaError, content_digest, decode, probe
from tricue.media.memory import choose_frames, resample
from tricue.modalities.requests import KeyPart, Opener, Prepared, Request, Signal, Wanted
from tricue.types import ModalityName, Utterance

_CHARACTERS_PER_TOKEN = 4.0

FileState = tuple[int, int]  # bytes, time of change in nanoseconds


def file_state(path: Path) -> FileState | None:
    """What changes when a file is written to; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a name with a NUL in it
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Words(Opener):
    """An utterance's words, with what was said before them."""

    spoken: Spoken
    batch_size: ClassVar[int] = 256

    def key_parts(self) -> tuple[KeyPart, ...]:
        return self.spoken.text, self.spoken.prefix, *self.spoken.context

    def open(self, wanted: Mapping[ModalityName, Wanted]) -> Mapping[ModalityName, Signal]:
        return dict.fromkeys(wanted, Signal(self.spoken))

    def prepare(self, extractor: Any, value: Any) -> Prepared:  # LightText, HubText or TokenText
        prepared = extractor.prepare(value)
        return Prepared(prepared, extractor.note(value, prepared))

    @property
    def length(self) -> float:
        """Characters."""
        return sum(map(len, self.key_parts())) + len(self.spoken.context)  # type: ignore[arg-type]

    def estimate_steps(self, modality: ModalityName, extractor: Extractor) -> float:
        return len(self.spoken.text) / _CHARACTERS_PER_TOKEN


class Media(Opener):
    """Sound and pictures, which are decoded in one pass."""

    is_media = True

    def open(self, wanted: Mapping[ModalityName, Wanted]) -> Mapping[ModalityName, Signal]:
        clip = self.decode(
            audio="audio" in wanted,
            frames=_config(wanted["video"].extractor).frames if "video" in wanted else 0,
            crop=wanted["video"].view if "video" in wanted else None,
            max_seconds=_config(wanted["audio"].extractor).max_seconds if "audio" in wanted else None,
        )
        signals: dict[ModalityName, Any] = {"audio": clip.audio, "video": clip.frames}
        told = {m: clip.faults if signal is None else clip.notes for m, signal in signals.items()}
        return {m: Signal(signals[m], told[m].get(m)) for m in wanted}

    def decode(self, **wanted: Any) -> Clip:
        """As `media.decoding.decode`, of this source."""
        raise NotImplementedError

    def prepare(self, extractor: Any, value: Any) -> Prepared:
        missed = 0
        if faces := getattr(extractor, "faces", None):
            value, missed = faces.crop(value)
        return Prepared(extractor.prepare(value), missed=missed)

    @property
    def seconds(self) -> float | None:
        """That it about lasts; None: not known."""
        return None

    def estimate_steps(self, modality: ModalityName, extractor: Extractor) -> float:
        config = _config(extractor)
        if modality == "video":
            return float(config.frames)
        return min(self.seconds or 0.0, config.max_seconds) * config.rate_hz


@dataclass(frozen=True)
class MediaFile(Media):
    """A time span of a media file: all of it, or seconds `start` to `end`."""

    path: Path
    start: float | None = None
    end: float | None = None
    state: FileState | None = None  # of the file when its key was made

    def __str__(self) -> str:
        return str(self.path)

    def locate(self) -> "MediaFile":
        file_status(self.path)
        return replace(self, state=file_state(self.path))

    def key_parts(self) -> tuple[KeyPart, ...]:
        return content_digest(self.path), self.start, self.end

    def decode(self, **wanted: Any) -> Clip:
        if self.state is not None and file_state(self.path) != self.state:
            raise MediaError("the file has changed since the run began", self.path, passing=True)
        return decode(self.path, start=self.start, end=self.end, **wanted)

    @property
    def size(self) -> tuple[Path, int]:
        return self.path, 0 if self.state is None else self.state[0]

    @property
    def seconds(self) -> float | None:
        if self.end is not None:
            return self.end - (self.start or 0.0)
        try:
            return probe(self.path).seconds
        except MediaError:  # told when it is read
            return None


@dataclass(frozen=True)
class MediaBytes(Media):
    """The bytes of a media file."""

    content: bytes

    def key_parts(self) -> tuple[KeyPart, ...]:
        return hashlib.sha256(self.content).hexdigest(), None, None

    def decode(self, **wanted: Any) -> Clip:
        with tempfile.NamedTemporaryFile(prefix="tricue-") as file:  # FFmpeg seeks, and some files are opened twice
            file.write(self.content)
            file.flush()
            try:
                return decode(Path(file.name), **wanted)
            except MediaError as error:  # without the name, which says nothing
                raise MediaError(error.reason, passing=error.passing) from error


@dataclass(frozen=True, eq=False)
class Waveform(Media):
    """One channel of sound in memory: (samples,), floats of which 1 is full scale or int16, at `sample_rate` Hz."""

    samples: np.ndarray
    sample_rate: int
    is_media: ClassVar[bool] = False

    def key_parts(self) -> tuple[KeyPart, ...]:
        return "waveform", _array_digest(self.samples), self.sample_rate

    def decode(self, **wanted: Any) -> Clip:
        return resample(self.samples, self.sample_rate, wanted["max_seconds"])


@dataclass(frozen=True, eq=False)
class Frames(Media):
    """Pictures in memory, in time order and evenly spaced: (H, W, 3) uint8 RGB each. One alone is a still."""

    frames: Sequence[np.ndarray]
    is_media: ClassVar[bool] = False

    def key_parts(self) -> tuple[KeyPart, ...]:
        return "frames", *map(_array_digest, self.frames)

    def decode(self, **wanted: Any) -> Clip:
        return choose_frames(self.frames, wanted["frames"], wanted["crop"])


def request_words(
    rows: Sequence[Utterance], extractor: Extractor, among: Sequence[Utterance] | None
) -> dict[str, Request]:
    """Utterance id -> its words, with as many turns before them as the extractor reads of those in `among`."""
    turns = getattr(extractor, "turns", 0)
    spoken = zip(rows, with_context(rows, turns, among), strict=True)
    return {row.id: Request(Words(words)) for row, words in spoken if words is not None}


def request_media(rows: Sequence[Utterance], modality: ModalityName) -> dict[str, Request]:
    """Utterance id -> its time span of the modality's media file."""
    files = {row.id: (row.media.get(modality), row.span(modality)) for row in rows}
    return {id_: Request(MediaFile(path, *span)) for id_, (path, span) in files.items() if path is not None}


def _config(extractor: Extractor) -> Any:
    return extractor.config  # type: ignore[attr-defined]  # AudioFeatures or VideoFeatures


def _array_digest(array: np.ndarray) -> str:
    told = f"{array.shape} {array.dtype.str}".encode()
    return hashlib.sha256(told + np.ascontiguousarray(array).tobytes()).hexdigest()
