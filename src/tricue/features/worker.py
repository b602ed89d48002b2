"""Jobs in, rows out: the one function that every engine maps over its processes or machines.

Job -> open, prepare (CPU, one by one) -> Ready -> encode (CPU or GPU, in batches) -> Result

What others sent is opened before `Ready`, and never after it: a service does all up to there in a process of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tricue.extractors.choice import Extractor
from tricue.features.store import Row
from tricue.media.decoding import NO_MEMORY, MediaError
from tricue.modalities.requests import Request, Wanted
from tricue.types import ModalityName

KILLED = "the process that read it was killed: too little memory, or a file that breaks the decoder"


@dataclass(frozen=True)
class Job:
    """What is wanted of one utterance, by openers of one kind; what modalities share is opened once."""

    id: str
    keys: Mapping[ModalityName, str]  # of the store, per modality that is wanted
    requests: Mapping[ModalityName, Request]

    @property
    def is_media(self) -> bool:
        return any(request.opener.is_media for request in self.requests.values())

    @property
    def length(self) -> float:
        """As `Opener.length`."""
        return max(request.opener.length for request in self.requests.values())


@dataclass(frozen=True)
class Ready:
    """A job's modality on its way to the encoder: what it reads, or the reason why not, or both (a note)."""

    id: str
    modality: ModalityName
    key: str
    signal: Any
    note: str | None = None
    missed: int = 0  # frames in which the face was not found
    passing: bool = False  # the reason may be gone in the next run


@dataclass(frozen=True)
class Result:
    """A row for the store of a modality."""

    id: str  # of the job
    modality: ModalityName
    key: str
    row: Row
    passing: bool = False  # the reason why there is nothing may be gone in the next run: not to be stored


@dataclass(frozen=True)
class Worker:
    """The extractors of a run, ready to be sent to another process."""

    extractors: Mapping[ModalityName, Extractor]
    device: str = "cpu"

    def __call__(self, jobs: Sequence[Job]) -> list[Result]:
        return self.encode(self.prepare(jobs))

    def prepare(self, jobs: Sequence[Job]) -> list[Ready]:
        """Open each source once and prepare its modalities; what cannot be had is a reason, never an error."""
        return [ready for job in jobs for ready in self._opened(job)]

    def encode(self, ready: Sequence[Ready]) -> list[Result]:
        """A neighbour changes no value: encoders batch only what they can keep apart."""
        results = [
            Result(r.id, r.modality, r.key, Row(None, r.note), r.passing) for r in ready if r.signal is None
        ]  # fmt: skip
        for modality, extractor in self.extractors.items():
            own = [r for r in ready if r.modality == modality and r.signal is not None]
            arrays = extractor.encode([r.signal for r in own]) if own else []
            results += [Result(r.id, modality, r.key, as_row(a, r)) for r, a in zip(own, arrays, strict=True)]
        return results

    def _opened(self, job: Job) -> Iterator[Ready]:
        for opener in dict.fromkeys(request.opener for request in job.requests.values()):
            wanted = {
                modality: Wanted(self.extractors[modality], request.view)
                for modality, request in job.requests.items()
                if request.opener == opener
            }
            try:
                signals = opener.open(wanted)
            except MediaError as error:
                yield from (_failed(job, modality, error.reason, error.passing) for modality in wanted)
                continue
            except MemoryError:  # with more of it the clip may be read
                yield from (_failed(job, modality, NO_MEMORY, True) for modality in wanted)
                continue
            for modality, (extractor, _) in wanted.items():
                value, note = signals[modality]
                if value is None:
                    yield Ready(job.id, modality, job.keys[modality], None, note)
                    continue
                try:
                    made = opener.prepare(extractor, value)
                except MediaError as error:
                    yield _failed(job, modality, error.reason, False)
                except MemoryError:  # one clip is lost, and read again in the next run
                    yield _failed(job, modality, NO_MEMORY, True)
                else:
                    key = job.keys[modality]
                    yield Ready(job.id, modality, key, made.value, made.note or note, made.missed)


def _failed(job: Job, modality: ModalityName, reason: str, passing: bool) -> Ready:
    return Ready(job.id, modality, job.keys[modality], None, reason, passing=passing)


def as_row(array: np.ndarray, ready: Ready) -> Row:
    """(T, D) as it is stored: float32 as float16, token ids as they are; the reason alone where it has no time step or
    exceeds float16."""
    if not len(array):
        return Row(None, ready.note or "it gives no time step")
    if np.issubdtype(array.dtype, np.integer):
        return Row(array, ready.note)
    with np.errstate(over="ignore"):
        halved = array.astype(np.float16)
    if not np.isfinite(halved).all():
        return Row(None, "its features are not finite numbers of 16 bits")
    return Row(halved, ready.note, ready.missed)


def killed(job: Job) -> list[Result]:
    """The results of a job that no process survived. Not stored: with more memory it may be read."""
    return [Result(job.id, modality, key, Row(None, KILLED), passing=True) for modality, key in job.keys.items()]
