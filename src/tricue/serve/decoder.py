"""The process that opens what others sent: media and subtitles. It is told what to do over a pipe, and may be killed.

It writes no file and takes no more memory than it is given. Answers are JSON and bare arrays, never pickles: whoever
takes it over through a flaw of a codec can say wrong things, but run nothing in the service.
"""

from __future__ import annotations

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

from tricue.features.container import opened, playing_time, streams_of
from tricue.features.media import MediaError, decode
from tricue.recording.subtitles import read_subtitles
from tricue.types import InputError

Reply = tuple[dict[str, Any], Sequence[np.ndarray]]

_WORN = {"error": "it needs more memory than a decoder may take", "worn": True}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def look(path: Path) -> Reply:
    """How long it lasts, and which cues it has."""
    seconds = playing_time(path)
    with opened(path) as container:
        sound, picture = streams_of(container)
        size = [picture.width, picture.height] if picture is not None else None
    return {"seconds": seconds, "sound": sound is not None, "size": size}, []


def read_clip(path: Path, asked: dict[str, Any]) -> Reply:
    """asked: the arguments of `media.decode`."""
    clip = decode(path, **asked)
    told = {"sound": clip.audio is not None, "faults": clip.faults, "notes": clip.notes}
    frames = clip.frames or []
    shapes = None if clip.frames is None else [frame.shape for frame in frames]
    return told | {"shapes": shapes}, [*([] if clip.audio is None else [clip.audio]), *frames]


def read_words(path: Path) -> Reply:
    told = read_subtitles(path)
    cues = [[s.start, s.end, s.text, s.speaker] for s in told.segments]
    return {"segments": cues, "notices": told.notices}, []


def work(asked: dict[str, Any]) -> Reply:
    """What is asked, or why it cannot be had."""
    path = Path(asked["path"])
    try:
        if asked["do"] == "look":
            return look(path)
        return read_words(path) if asked["do"] == "words" else read_clip(path, asked["how"])
    except MediaError as error:
        return (_WORN if isinstance(error.__cause__, MemoryError) else {"error": error.reason}), []
    except InputError as error:
        return {"error": str(error).replace(str(path), path.name)}, []
    except MemoryError:
        return _WORN, []


def main() -> None:
    pipe, most = Connection(int(sys.argv[1])), int(sys.argv[2])
    _restrict(most)
    gc.freeze()  # modules are never garbage: a collection need not look through them
    pipe.send_bytes(b"ready")
    while True:
        try:
            asked = json.loads(pipe.recv_bytes())
        except EOFError:  # the service has ended
            return
        _reply(pipe, asked)
        gc.collect()  # PyAV's containers and pictures hold one another: uncollected they add up, job by job


def _reply(pipe: Connection, asked: dict[str, Any]) -> None:
    """In a function of its own: its arrays are gone before the next job."""
    told, arrays = work(asked)
    pipe.send_bytes(json.dumps(told | {"arrays": len(arrays)}).encode())
    for array in arrays:
        pipe.send_bytes(array.tobytes())


def _restrict(most: int) -> None:
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
