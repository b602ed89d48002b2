"""Jobs in, rows out: the one function that every engine maps over its processes or machines.

Job -> decode, prepare (CPU, clip by clip) -> Ready -> encode (CPU or GPU, in batches) -> Result
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tricue.config import AudioFeatures, VideoFeatures
from tricue.features.extractors import Extractor
from tricue.features.media import NO_MEMORY, Clip, MediaError, decode
from tricue.features.store import Row
from tricue.features.text import NO_WORDS, Spoken
from tricue.types import CUES, Cue, Side

KILLED = "the process that read it was killed: too little memory, or a file that breaks the decoder"


FileState = tuple[int, int]  # bytes, time of change in nanoseconds


def file_state(path: Path) -> FileState | None:
    """What changes when a file is written to; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a name with a NUL in it
        return None
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Source:
    """A stretch of a media file: all of it, or seconds `start` to `end`."""

    path: Path
    start: float | None = None
    end: float | None = None
    state: FileState | None = None  # of the file when its key was made


@dataclass(frozen=True)
class Job:
    """What is wanted of one utterance; the same stretch of the same file for both cues is decoded once."""

    id: str
    keys: dict[Cue, str]  # of the store, per cue that is wanted
    spoken: Spoken | None = None
    files: dict[Cue, Source] | None = None
    crop: Side | None = None  # half of the picture


@dataclass(frozen=True)
class Ready:
    """A job's cue on its way to the encoder: what it reads, or the reason why not, or both (a note)."""

    id: str
    cue: Cue
    key: str
    signal: Any
    note: str | None = None
    missed: int = 0  # frames in which the face was not found
    passing: bool = False  # the reason may be gone in the next run


@dataclass(frozen=True)
class Result:
    """A row for the store of a cue."""

    id: str  # of the job
    cue: Cue
    key: str
    row: Row
    passing: bool = False  # the reason why there is nothing may be gone in the next run: not to be stored


@dataclass(frozen=True)
class Worker:
    """The extractors of a run, ready to be sent to another process."""

    extractors: Mapping[Cue, Extractor]
    device: str = "cpu"

    def __call__(self, jobs: Sequence[Job]) -> list[Result]:
        return self.encode(self.prepare(jobs))

    def prepare(self, jobs: Sequence[Job]) -> list[Ready]:
        """Decode each file once and prepare its cues; what cannot be had is a reason, never an error."""
        return [ready for job in jobs for ready in (*self._text(job), *self._media(job))]

    def encode(self, ready: Sequence[Ready]) -> list[Result]:
        """A neighbour changes no value: encoders batch only what they can keep apart."""
        results = [
            Result(r.id, r.cue, r.key, Row(None, r.note), r.passing) for r in ready if r.signal is None
        ]  # fmt: skip
        for cue in CUES:
            own = [r for r in ready if r.cue == cue and r.signal is not None]
            arrays = self.extractors[cue].encode([r.signal for r in own]) if own else []
            results += [Result(r.id, cue, r.key, as_row(a, r)) for r, a in zip(own, arrays, strict=True)]
        return results

    def _text(self, job: Job) -> list[Ready]:
        if job.spoken is None:
            return []
        extractor: Any = self.extractors["text"]  # LightText or HubText
        prepared = extractor.prepare(job.spoken)
        return [Ready(job.id, "text", job.keys["text"], prepared, extractor.note(job.spoken, prepared))]

    def _media(self, job: Job) -> list[Ready]:
        files, done = job.files or {}, []
        for source in dict.fromkeys(files.values()):
            cues = [cue for cue, wanted in files.items() if wanted == source]
            try:
                clip = self._decode(source, job.crop, cues)
            except MediaError as error:
                done += [
                    Ready(job.id, c, job.keys[c], None, error.reason, passing=error.passing) for c in cues
                ]
                continue
            except MemoryError:  # with more of it the clip may be read
                done += [Ready(job.id, c, job.keys[c], None, NO_MEMORY, passing=True) for c in cues]
                continue
            done += [self._signal(job, cue, clip) for cue in cues]
        return done

    def _decode(self, source: Source, crop: Side | None, cues: Sequence[Cue]) -> Clip:
        if source.state is not None and file_state(source.path) != source.state:
            raise MediaError("the file has changed since the run began", source.path, passing=True)
        frames, max_seconds = 0, None
        if "video" in cues:
            pictures = self.extractors["video"].config  # type: ignore[attr-defined]
            assert isinstance(pictures, VideoFeatures)
            frames = pictures.frames
        if "audio" in cues:
            sound = self.extractors["audio"].config  # type: ignore[attr-defined]
            assert isinstance(sound, AudioFeatures)
            max_seconds = sound.max_seconds
        return decode(
            source.path,
            start=source.start,
            end=source.end,
            audio="audio" in cues,
            frames=frames,
            crop=crop,
            max_seconds=max_seconds,
        )

    def _signal(self, job: Job, cue: Cue, clip: Clip) -> Ready:
        signal: Any = clip.audio if cue == "audio" else clip.frames
        if signal is None:
            return Ready(job.id, cue, job.keys[cue], None, clip.faults[cue])
        missed, extractor = 0, self.extractors[cue]
        try:
            if faces := getattr(extractor, "faces", None):
                signal, missed = faces.crop(signal)
            return Ready(job.id, cue, job.keys[cue], extractor.prepare(signal), clip.notes.get(cue), missed)
        except MediaError as error:
            return Ready(job.id, cue, job.keys[cue], None, error.reason)
        except MemoryError:  # one clip is lost, and read again in the next run
            return Ready(job.id, cue, job.keys[cue], None, NO_MEMORY, passing=True)


def as_row(array: np.ndarray, ready: Ready) -> Row:
    """(T, D) float32 as it is stored; the reason alone where it has no time step or exceeds float16."""
    if not len(array):
        return Row(None, ready.note or NO_WORDS)  # sound and pictures have at least one step
    with np.errstate(over="ignore"):
        halved = array.astype(np.float16)
    if not np.isfinite(halved).all():
        return Row(None, "its features are not finite numbers of 16 bits")
    return Row(halved, ready.note, ready.missed)


def killed(job: Job) -> list[Result]:
    """The results of a job that no process survived. Not stored: with more memory it may be read."""
    return [Result(job.id, cue, key, Row(None, KILLED), passing=True) for cue, key in job.keys.items()]
