"""Decoding and preparing clips, in this process or in several: the part of extraction that a CPU does."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tricue.config import AudioFeatures, VideoFeatures
from tricue.features.audio import HubAudio, LightAudio
from tricue.features.media import Clip, MediaError, decode
from tricue.features.video import HubVideo, LightVideo
from tricue.types import Cue, InputError, Side

_FEW = 24  # clips that one process is done with before another has started
_AHEAD = 4  # clips in hand per process: bounds memory where encoding is slower than decoding

Preparers = Mapping[Cue, LightAudio | HubAudio | LightVideo | HubVideo]


@dataclass(frozen=True)
class Source:
    """A stretch of a media file: all of it, or seconds `start` to `end`."""

    path: Path
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Job:
    """What is wanted of one utterance; the same stretch of the same file for both cues is decoded once."""

    id: str
    files: dict[Cue, Source]
    crop: Side | None = None  # half of the picture


@dataclass(frozen=True)
class Prepared:
    """What a job gave for one cue: something to encode, or the reason why not, or both (a note)."""

    signal: Any
    note: str | None = None
    passing: bool = False  # the reason may be gone in the next run: not to be stored


def prepare_all(
    jobs: Sequence[Job], preparers: Preparers, workers: int | None
) -> Iterator[dict[Cue, Prepared]]:
    """Each job's prepared signals, in the order of the jobs.

    workers: processes; None is one per core (none for a few clips), 0 or 1 is this process.
    """
    if workers is None:
        workers = (os.cpu_count() or 1) if len(jobs) > _FEW else 0
    if workers <= 1:
        for job in jobs:
            yield prepare(job, preparers)
        return
    context = multiprocessing.get_context("spawn")  # a forked copy of a threaded torch can hang
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(preparers,)) as pool:
        waiting: deque[tuple[Job, Future[dict[Cue, Prepared]]]] = deque()
        try:
            for job in jobs:
                waiting.append((job, pool.submit(_work, job)))
                if len(waiting) > workers * _AHEAD:
                    yield waiting[0][1].result()
                    waiting.popleft()
            while waiting:
                yield waiting[0][1].result()
                waiting.popleft()
        except BrokenProcessPool as error:
            in_hand = ", ".join(job.id for job, _ in waiting)
            raise InputError(
                "A process that decodes clips was killed: too little memory, or a clip that breaks the decoder, "
                f"one of {in_hand}. What was done is stored; give the same command again, without that clip."
            ) from error
        finally:  # the reader stopped early: do not decode what nobody will take
            for _, future in waiting:
                future.cancel()


def prepare(job: Job, preparers: Preparers) -> dict[Cue, Prepared]:
    """Decode a job's files once each and prepare its cues; what cannot be had is a note, never an error."""
    done: dict[Cue, Prepared] = {}
    for source in dict.fromkeys(job.files.values()):
        cues = [cue for cue, wanted in job.files.items() if wanted == source]
        try:
            clip = _decode(source, job.crop, cues, preparers)
        except MediaError as error:
            done.update({cue: Prepared(None, error.reason, error.passing) for cue in cues})
            continue
        for cue in cues:
            signal: list[np.ndarray] | np.ndarray | None = clip.audio if cue == "audio" else clip.frames
            done[cue] = _prepare(cue, signal, clip, preparers)
    return done


def _decode(source: Source, crop: Side | None, cues: Sequence[Cue], preparers: Preparers) -> Clip:
    frames, max_seconds = 0, None
    if "video" in cues:
        pictures = preparers["video"].config
        assert isinstance(pictures, VideoFeatures)
        frames = pictures.frames
    if "audio" in cues:
        sound = preparers["audio"].config
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


def _prepare(cue: Cue, signal: Any, clip: Clip, preparers: Preparers) -> Prepared:
    if signal is None:
        return Prepared(None, clip.faults[cue])
    try:
        return Prepared(preparers[cue].prepare(signal), clip.notes.get(cue))
    except MediaError as error:
        return Prepared(None, error.reason)


_PREPARERS: Preparers = {}


def _start(preparers: Preparers) -> None:
    """Once per process: one thread each, as there are as many processes as cores."""
    global _PREPARERS
    threadpool_limits(1)  # an environment variable would come too late: numpy's BLAS has read it already
    _PREPARERS = preparers
    if any(isinstance(preparer, HubVideo) for preparer in preparers.values()):
        import torch  # only image processors of the hub bring it in

        torch.set_num_threads(1)


def _work(job: Job) -> dict[Cue, Prepared]:
    return prepare(job, _PREPARERS)
