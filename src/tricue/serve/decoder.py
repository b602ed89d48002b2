"""The process that opens what others sent: media and subtitles. It is told what to do over a pipe, and may be killed.

It makes sound and pictures ready for the encoders, too, so that the service computes on arrays of known sizes alone.
It writes no file and takes no more memory than it is given. Answers are JSON and bare arrays, never pickles: whoever
takes it over through a flaw of a codec can say wrong things, but run nothing in the service.
"""

import ctypes
import gc
import json
import resource
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tricue.media.container import opened, playing_time, streams_of
from tricue.media.decoding import NO_MEMORY, MediaError, decode
from tricue.media.sound import SAMPLE_RATE
from tricue.recording.segments import usable
from tricue.recording.subtitles import read_subtitles
from tricue.types import InputError

Reply = tuple[dict[str, Any], Sequence[np.ndarray]]  # arrays: float32

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_NO_MEMORY: Reply = {"error": "it needs more memory than a decoder may take", "worn": True}, []


def look(path: Path) -> Reply:
    """How long it lasts, and which modalities it has."""
    seconds = playing_time(path)
    with opened(path) as container:
        sound, picture = streams_of(container)
        size = [picture.width, picture.height] if picture is not None else None
    return {"seconds": seconds, "sound": sound is not None, "size": size}, []


def hear(path: Path, seconds: float) -> Reply:
    """Its sound, the first `seconds` of it: (samples,) at 16 kHz, mono, finite, and what to know of it; none where
    it has no sound."""
    clip = decode(path, audio=True, max_seconds=seconds)
    if clip.audio is None:
        return {}, []
    if not np.isfinite(clip.audio).all():
        raise MediaError("its sound holds samples that are not finite numbers")
    return {"note": clip.notes.get("audio")}, [clip.audio]


def prepare(worker: Any, path: Path, asked: dict[str, Any]) -> Reply:
    """A stretch of it as the worker's extractors make it ready for their encoders (signals.py).

    asked: the modalities, and `start` and `end` in seconds, or None.
    """
    # imported for a model that reads sound or pictures alone: it takes seconds, and hundreds of megabytes
    from tricue.features.worker import Job
    from tricue.modalities.reading import MediaFile
    from tricue.modalities.requests import Request
    from tricue.serve.signals import parts_of

    request = Request(MediaFile(path, asked["start"], asked["end"]))
    modalities = asked["modalities"]
    ready = worker.prepare([Job("", dict.fromkeys(modalities, ""), dict.fromkeys(modalities, request))])
    if any(r.note == NO_MEMORY for r in ready):
        return _NO_MEMORY
    parts = [parts_of(r.signal) for r in ready]
    told = [[r.modality, r.note, len(own)] for r, own in zip(ready, parts, strict=True)]
    return {"ready": told}, [array for own in parts for array in own]


def read_words(path: Path, asked: dict[str, Any]) -> Reply:
    """The subtitles that lie in a recording of so many `seconds`: up to `segments` of up to `characters` together."""
    found = read_subtitles(path)
    try:
        kept, _ = usable(found.segments, asked["seconds"])
    except InputError as error:
        return {"outside": str(error)}, []
    characters = sum(len(s.text or "") + len(s.speaker or "") for s in kept)
    few = len(kept) <= asked["segments"] and characters <= asked["characters"]
    told = [[s.start, s.end, s.text, s.speaker] for s in kept] if few else []
    counts = {"given": len(found.segments), "kept": len(kept), "characters": characters}
    return counts | {"segments": told, "notices": found.notices}, []


def work(worker: Any, asked: dict[str, Any]) -> Reply:
    """What is asked, or why it cannot be had."""
    path = Path(asked["path"])
    try:
        match asked["do"]:
            case "look":
                return look(path)
            case "hear":
                return hear(path, asked["seconds"])
            case "words":
                return read_words(path, asked)
            case _:
                return prepare(worker, path, asked)
    except MediaError as error:
        return _NO_MEMORY if isinstance(error.__cause__, MemoryError) else ({"error": error.reason}, [])
    except InputError as error:
        return {"error": str(error).replace(str(path), path.name)}, []
    except MemoryError:
        return _NO_MEMORY


def main() -> None:
    pipe, most = Connection(int(sys.argv[1])), int(sys.argv[2])
    preparing = pipe.recv()  # the service is trusted, never this process: it unpickles nothing of ours
    worker = None if preparing is None else preparing.worker
    if preparing is not None:
        _warm_up(preparing)
    _restrict(most)
    gc.freeze()  # modules are never garbage: a collection need not look through them
    pipe.send_bytes(b"ready")
    while True:
        try:
            asked = json.loads(pipe.recv_bytes())
        except EOFError:  # the service has ended
            return
        _reply(pipe, worker, asked)
        gc.collect()  # PyAV's containers and pictures hold one another: uncollected they add up, job by job


def _reply(pipe: Connection, worker: Any, asked: dict[str, Any]) -> None:
    """In a function of its own: its arrays are gone before the next job."""
    told, arrays = work(worker, asked)
    pipe.send_bytes(json.dumps(told | {"arrays": [array.shape for array in arrays]}).encode())
    for array in arrays:
        pipe.send_bytes(array.astype(np.float32, copy=False).tobytes())


def _warm_up(preparing: Any) -> None:
    """Load what the extractors need, with files and memory that are refused later."""
    for modality, extractor in preparing.worker.extractors.items():
        if modality == "audio":
            extractor.prepare(np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) / 10))
        else:
            black = [np.zeros((64, 64, 3), np.uint8)]
            extractor.prepare(extractor.faces.crop(black)[0] if extractor.faces else black)


def _restrict(most: int) -> None:
    """most: bytes of memory (address space) beside what is loaded."""
    most += psutil.Process().memory_info().vms
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, who ends this process
    for what, limit in (
        (resource.RLIMIT_AS, most), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64),
    ):  # fmt: skip
        _, hard = resource.getrlimit(what)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, limit))
    if sys.platform == "linux":  # where the service is killed and cannot say so
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
