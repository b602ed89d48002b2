"""The decoders of a service: processes that are used again, killed where one takes too long, and replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from queue import LifoQueue
from threading import Timer
from typing import Any

from tricue.serve.errors import Refusal, busy
from tricue.serve.limits import Limits
from tricue.serve.metrics import Metrics

_START = 60.0  # seconds that a process may take to start on a busy machine
_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # what a BLAS sets aside counts as memory taken


class Ended(Exception):
    """The process ended before its work did; `late` where it was this side that killed it."""

    def __init__(self, late: bool) -> None:
        super().__init__("late" if late else "died")
        self.late = late


class Decoder:
    """One process (decoder.py)."""

    def __init__(self, limits: Limits) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tricue.serve.decoder", str(theirs.fileno()), str(limits.decoder_bytes)],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env=os.environ | _THREADS,
            )  # fmt: skip
        self._ready, self._most = False, limits.decoder_bytes

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, asked: dict[str, Any], seconds: float) -> tuple[dict[str, Any], list[bytes], float]:
        """What it answers, and the seconds that it took, its start left out. Raises Ended; the process is of no use
        then."""
        if not self._ready:
            with self._killed_after(_START):
                self._pipe.recv_bytes(16)
            self._ready = True
        began = time.monotonic()
        with self._killed_after(seconds):
            self._pipe.send_bytes(json.dumps(asked).encode())
            told = json.loads(self._pipe.recv_bytes(self._most))
            arrays = [self._pipe.recv_bytes(self._most) for _ in range(told["arrays"])]
        return told, arrays, time.monotonic() - began

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        """A read that waits for a killed process ends at once."""
        late = False

        def kill() -> None:
            nonlocal late
            late = True
            self.process.kill()

        timer = Timer(max(0.0, seconds), kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError, ValueError) as error:  # ValueError: half a message, or none of ours
            self.end()
            raise Ended(late) from error
        finally:
            timer.cancel()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._pipe.close()


class Decoders:
    """As many as limits.decoders; who asks waits for one that is free."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._free: LifoQueue[Decoder] = LifoQueue()
        self._all: list[Decoder] = []
        self._over = False

    def start(self) -> None:
        for _ in range(self._limits.decoders):
            self._free.put(self._made())

    def end(self) -> None:
        """Those at work, too: who waits for one is refused."""
        self._over = True
        for decoder in self._all:
            decoder.process.kill()
            decoder.process.wait()

    def ask(self, asked: dict[str, Any], seconds: float) -> tuple[dict[str, Any], list[bytes], float]:
        """As `Decoder.ask`. Raises Refusal: 422 where the process dies of it, 504 where it takes too long."""
        decoder = self._free.get()
        try:
            if not decoder.alive:  # somebody killed it while it had nothing to do
                decoder = self._replaced(decoder, "idle")
            try:
                told, arrays, took = decoder.ask(asked, seconds)
            except Ended as ended:
                decoder = self._replaced(decoder, "late" if ended.late else "died")
                raise self._refusal(ended) from ended
            if told.get("worn"):
                decoder = self._replaced(decoder, "memory")
            return told, arrays, took
        finally:
            self._free.put(decoder)

    def _made(self) -> Decoder:
        made = Decoder(self._limits)
        self._all.append(made)
        self._metrics.decoders.inc()
        return made

    def _replaced(self, decoder: Decoder, cause: str) -> Decoder:
        if self._over:
            raise busy("The service is being ended")
        decoder.end()
        self._all.remove(decoder)
        self._metrics.decoders.dec()
        self._metrics.kills.labels(cause).inc()
        return self._made()

    def _refusal(self, ended: Ended) -> Refusal:
        if ended.late:
            reason = f"The file took longer to decode than {self._limits.decode_seconds:g} s."
            return Refusal(504, "decode_time", reason)
        return Refusal(
            422, "decoder_died", "The process that decoded the file ended: the file breaks a codec, or memory is short."
        )  # fmt: skip
