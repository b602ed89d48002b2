"""Where the work is done: in this process, or in several on this machine. scale.py has the engine for many machines.

On a CPU each process decodes and encodes with one thread, so that the two overlap and no core is asked for twice. For
a GPU the processes decode and prepare, and this one encodes.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import psutil
from threadpoolctl import threadpool_limits

from tricue.device import cores
from tricue.features.worker import Job, Ready, Result, Worker, killed
from tricue.types import InputError

Batch = list[Job]
Engine = Callable[[Worker, Sequence[Batch]], Iterable[list[Result]]]  # in any order; each batch once

_FEW = 48  # clips that one process is done with before others have started
_IN_HAND = 2  # batches per process: one in work, one waiting
_ROOM = 1.5e9  # bytes that a process with three ordinary encoders and a batch of clips needs
_DEATHS = 3  # in a row, and nothing ever finished: it is not the clips
_ALL_DIE = (
    "Processes that read clips die whatever they are given. In a script of your own, call tricue below "
    '`if __name__ == "__main__":`; else give --workers 1.'
)
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1  # malloc.h


def local_engine(workers: int | None = None) -> Engine:
    """workers: processes; None is one per core (as far as memory allows, none for a few clips), 0 or 1 is this one."""

    def run(worker: Worker, batches: Sequence[Batch]) -> Iterator[list[Result]]:
        count = _processes(batches) if workers is None else workers
        return map(worker, batches) if count <= 1 else _in_processes(worker, batches, count)

    return run


def _processes(batches: Sequence[Batch]) -> int:
    if sum(job.files is not None for batch in batches for job in batch) <= _FEW:
        return 0
    return max(1, min(cores(), int(psutil.virtual_memory().available / _ROOM)))


def _in_processes(worker: Worker, batches: Iterable[Batch], count: int) -> Iterator[list[Result]]:
    """A job that kills its process (out of memory, a decoder's crash) is found, named and passed over.

    Raises InputError where processes die whatever they are given.
    """
    waiting, alive, deaths = deque(batches), False, 0
    while waiting:
        lost: list[Batch] = []
        for results in _pool(worker, waiting, count, _IN_HAND, lost):
            alive = True
            yield results
        suspects = deque([job] for batch in lost for job in batch)
        while suspects:  # one process, one in hand: that is the one that kills
            lost = []
            for results in _pool(worker, suspects, 1, 1, lost):
                alive = True
                yield results
            deaths += len(lost)
            if deaths >= _DEATHS and not alive:
                raise InputError(_ALL_DIE)
            yield from (killed(job) for batch in lost for job in batch)


def _pool(
    worker: Worker, waiting: deque[Batch], count: int, in_hand: int, lost: list[Batch]
) -> Iterator[list[Result]]:
    """Work through `waiting` in `count` processes; what was in hand when one was killed goes to `lost`."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a threaded torch can hang
    encodes = worker.device != "cpu"
    task: Callable[[Batch], Any] = _prepare if encodes else _work
    running: dict[Future[Any], Batch] = {}
    with ProcessPoolExecutor(count, context, initializer=_start, initargs=(worker,)) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < count * in_hand:
                    running[pool.submit(task, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done = future.result()
                    del running[future]
                    yield worker.encode(done) if encodes else done
        except BrokenProcessPool:
            lost += running.values()
        finally:  # the reader stopped early: do not decode what nobody will take
            for future in running:
                future.cancel()


_WORKER: Worker | None = None


def _start(worker: Worker) -> None:
    """Once per process."""
    global _WORKER
    _WORKER = worker
    one_thread()


def one_thread() -> None:
    """Let this process compute with one thread, for there are as many processes as cores.

    And let it keep the memory it has: by default each large array is fetched from the system and given back, which
    costs an encoder up to half of its time (benchmarks/extraction_speed.py).
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # read by libraries that are still to be loaded
    threadpool_limits(1)  # of those that are: numpy's BLAS
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):  # glibc's
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _work(jobs: Batch) -> list[Result]:
    assert _WORKER is not None
    return _WORKER(jobs)


def _prepare(jobs: Batch) -> list[Ready]:
    assert _WORKER is not None
    return _WORKER.prepare(jobs)
