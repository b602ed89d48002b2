"""Where the work is done: in this process, or in several on this machine. scale.py has the engine for many machines.

On a CPU each process decodes and encodes with one thread, so that the two overlap and no core is asked for twice. For
a GPU the processes decode and prepare, and this one encodes.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

import psutil

from tricue.device import cores
from tricue.features.worker import Job, Ready, Result, Worker, killed
from tricue.processes import begin_child
from tricue.types import InputError

Batch = list[Job]
Engine = Callable[[Worker, Sequence[Batch]], Generator[list[Result]]]  # in any order; each batch once

_FEW = 48  # clips that one process is done with before others have started
_IN_HAND = 2  # batches per process: one in work, one waiting
_ROOM = 2e9  # bytes that a process with three small encoders and a batch of clips needs at most (measured)
_ALL_DIE = (
    "Processes that read clips die before they are given any. In a script of your own, call tricue below "
    '`if __name__ == "__main__":`; else give --workers 1.'
)


def local_engine(workers: int | None = None) -> Engine:
    """workers: processes; None is one per core (as far as memory allows, none for a few clips), 0 or 1 is this one."""

    def run(worker: Worker, batches: Sequence[Batch]) -> Generator[list[Result]]:
        count = _processes(batches) if workers is None else workers
        yield from map(worker, batches) if count <= 1 else _in_processes(worker, batches, count)

    return run


def _processes(batches: Sequence[Batch]) -> int:
    if multiprocessing.parent_process() is not None:  # one of several already: it starts no others
        return 0
    if sum(job.is_media for batch in batches for job in batch) <= _FEW:
        return 0
    return max(1, min(cores(), int(psutil.virtual_memory().available / _ROOM)))


def _in_processes(worker: Worker, batches: Sequence[Batch], count: int) -> Iterator[list[Result]]:
    """A job that kills its process (out of memory, a decoder's crash) is found, named and passed over.

    Raises InputError where processes die before they are given a job.
    """
    waiting = deque(batches)
    while waiting:
        lost: list[Batch] = []
        yield from _pool(worker, waiting, count, _IN_HAND, lost)
        suspects = deque([job] for batch in lost for job in batch)
        while suspects:  # one process, one in hand: that is the one that kills
            lost = []
            yield from _pool(worker, suspects, 1, 1, lost)
            yield from (killed(job) for batch in lost for job in batch)


def _pool(worker: Worker, waiting: deque[Batch], count: int, in_hand: int, lost: list[Batch]) -> Iterator[list[Result]]:
    """Work through `waiting` in `count` processes; what was in hand when one was killed goes to `lost`."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a threaded torch can hang
    encodes = worker.device != "cpu"
    task: Callable[[Batch], Any] = _prepare if encodes else _work
    running: dict[Future[Any], Batch] = {}
    theirs, ours = context.Pipe(duplex=False)
    with ours, ProcessPoolExecutor(count, context, initializer=_start, initargs=(worker, theirs)) as pool:
        started = pool.submit(_nothing)
        try:
            while waiting or running:
                while waiting and len(running) < count * in_hand:
                    running[pool.submit(task, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done = future.result()
                    del running[future]
                    yield worker.encode(done) if encodes else done
        except BrokenProcessPool as error:
            if started.exception() is not None:
                raise InputError(_ALL_DIE) from error
            lost += running.values()
        except BaseException:  # the reader stopped early: nobody will take what they are doing
            ours.close()
            raise


_WORKER: Worker | None = None


def _start(worker: Worker, parent: Connection) -> None:
    """Once per process."""
    global _WORKER
    _WORKER = worker
    begin_child(parent)


def _nothing() -> None:
    """Done by every process that starts at all."""


def _work(jobs: Batch) -> list[Result]:
    assert _WORKER is not None
    return _WORKER(jobs)


def _prepare(jobs: Batch) -> list[Ready]:
    assert _WORKER is not None
    return _WORKER.prepare(jobs)
