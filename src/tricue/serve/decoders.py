"""The decoders of a service: processes that are used again, killed where one takes too long, and replaced."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import prod
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import LifoQueue
from threading import Lock, Timer
from typing import Any

import numpy as np

from tricue.serve.counters import Metrics
from tricue.serve.errors import Refusal, busy
from tricue.serve.limits import Limits
from tricue.serve.signals import Preparing

Told = tuple[dict[str, Any], list[np.ndarray], float]  # an answer, its arrays (float32), the seconds that it took

_LOG = logging.getLogger(__name__)
_START = 120.0  # seconds that a process may take to start on a busy machine
_TOLD = 16_000_000  # bytes of an answer beside its arrays
_ARRAYS = 8  # of an answer
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # what a BLAS sets aside counts as memory taken


class Ended(Exception):
    """The process ended before its work did; `late` where it was this side that killed it."""

    def __init__(self, late: bool) -> None:
        super().__init__("late" if late else "died")
        self.late = late


class Decoder:
    """A place at which one process works at a time (decoder.py). None runs until `start`, nor after `end`."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.decoder_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._ready = False
        self.worked = False  # whether this process has answered already

    def start(self, preparing: Preparing | None) -> None:
        """Raises OSError where the machine has no room for a process; there is none then."""
        mine, theirs = Pipe()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "tricue.serve.decoder", str(theirs.fileno()), str(self._most)],
                    pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, env=os.environ | _THREADS,
                )  # fmt: skip
        except OSError:
            mine.close()
            raise
        self._pipe, self._ready, self.worked = mine, False, False
        with suppress(OSError):  # it has died already: the first to ask is told
            mine.send(preparing)

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ask(self, asked: dict[str, Any], seconds: float, room: int) -> Told:
        """What it answers, in arrays of up to `room` bytes, and the seconds that it took, its start left out. Raises
        Ended; the process is of no use then."""
        assert self._pipe is not None
        if not self._ready:
            with self._killed_after(_START):
                self._pipe.recv_bytes(16)
            self._ready = True
        began = time.monotonic()
        with self._killed_after(seconds):
            self._pipe.send_bytes(json.dumps(asked).encode())
            told = json.loads(self._pipe.recv_bytes(_TOLD))
            arrays = [self._array(shape) for shape in _checked(told, room)]
        self.worked = True
        return told, arrays, time.monotonic() - began

    def _array(self, shape: Sequence[int]) -> np.ndarray:
        assert self._pipe is not None
        return np.frombuffer(self._pipe.recv_bytes(4 * prod(shape)), np.float32).reshape(shape).copy()

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        """A read that waits for a killed process ends at once."""
        late, process = False, self._process  # not the next one's, should time be up as the answer comes
        assert process is not None

        def kill() -> None:
            nonlocal late
            late = True
            process.kill()

        timer = Timer(max(0.0, seconds), kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError, ValueError) as error:  # ValueError: half a message, or none of ours
            raise Ended(late) from error
        finally:
            timer.cancel()

    def kill(self) -> None:
        process = self._process  # two threads may be at it where the service ends
        if process is not None:
            process.kill()
            process.wait()

    def end(self) -> None:
        self.kill()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _checked(told: Any, room: int) -> list[list[int]]:
    """The shapes of the arrays that follow. Raises ValueError for what no decoder of ours says."""
    shapes = told.get("arrays") if isinstance(told, dict) else None
    if not isinstance(shapes, list) or len(shapes) > _ARRAYS:
        raise ValueError("no answer of a decoder")
    for shape in shapes:
        if not (isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape)):
            raise ValueError("no shape of an array")
    if sum(4 * prod(shape) for shape in shapes) > room:
        raise ValueError("arrays beyond their room")
    return shapes


class Decoders:
    """As many as limits.decoders; who asks waits for one that is free."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self.preparing: Preparing | None = None
        self._all = [Decoder(limits) for _ in range(limits.decoders)]
        self._free: LifoQueue[Decoder] = LifoQueue()
        self._starting = Lock()  # none is started while, or after, all are ended
        self._over = False

    def start(self, preparing: Preparing | None) -> None:
        """preparing: what they make ready; None: nothing, for the model reads words alone. Raises OSError where a
        process cannot be started."""
        self.preparing = preparing
        for decoder in self._all:
            decoder.start(preparing)
            self._metrics.decoders.inc()
            self._free.put(decoder)

    def end(self) -> None:
        """Those at work, too: who waits for one is refused."""
        with self._starting:
            self._over = True
            for decoder in self._all:
                decoder.kill()

    def ask(self, asked: dict[str, Any], seconds: float, room: int = 0) -> Told:
        """As `Decoder.ask`. Raises Refusal: 422 where the process dies of it, 503 where none can be started, 504 where
        it takes too long."""
        with self._place() as decoder:
            worked = decoder.worked
            told, arrays, took = self._asked(decoder, asked, seconds, room)
            if told.get("worn") and worked and decoder.alive:  # what it did before may have left it too little
                told, arrays, again = self._asked(decoder, asked, seconds - took, room)
                took += again
            return told, arrays, took

    @contextmanager
    def _place(self) -> Iterator[Decoder]:
        """A decoder that runs, and is nobody else's meanwhile. Raises Refusal (503) where none can be had."""
        decoder = self._free.get()
        try:
            if not decoder.alive:  # somebody killed it while it had nothing to do, or it could not be started
                self._replace(decoder, "idle")
            if not decoder.alive:
                raise busy("The service is being ended" if self._over else "No decoder can be started")
            yield decoder
        finally:
            self._free.put(decoder)

    def _asked(self, decoder: Decoder, asked: dict[str, Any], seconds: float, room: int) -> Told:
        """One that dies of it, or has no memory left, is replaced at once: the next one need not wait for it."""
        try:
            told, arrays, took = decoder.ask(asked, seconds, room)
        except Ended as ended:
            self._replace(decoder, "late" if ended.late else "died")
            raise self._refusal(ended) from ended
        if told.get("worn"):
            self._replace(decoder, "memory")
        return told, arrays, took

    def _replace(self, decoder: Decoder, cause: str) -> None:
        """With a new process. Where that cannot be started, there is none until somebody asks again."""
        if decoder.started:  # else it was counted when it ended
            decoder.end()
            self._metrics.decoders.dec()
            self._metrics.kills.labels(cause).inc()
        with self._starting:
            if self._over:
                return
            try:
                decoder.start(self.preparing)
            except OSError as error:
                _LOG.error("A decoder cannot be started: %s", error)
                return
        self._metrics.decoders.inc()

    def _refusal(self, ended: Ended) -> Refusal:
        if self._over:
            return busy("The service is being ended")
        if ended.late:
            reason = f"The file took longer to decode than {self._limits.decode_seconds:g} s."
            return Refusal(504, "decode_time", reason)
        return Refusal(
            422, "decoder_died", "The process that decoded the file ended: the file breaks a codec, or memory is short."
        )  # fmt: skip
