"""Independent computations of a study, in this process or in several on this machine.

A scheduler runs them in any order; what they give doesn't depend on how many run at once. Each computes with the same
share of the machine's threads, for sums of floats depend on the number of threads.
"""

import logging
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil
import torch

from tricue.device import choose_device, cores
from tricue.processes import begin_child
from tricue.training.fleet_progress import FleetProgress
from tricue.training.log import OF_ROWS
from tricue.types import InputError, TrainingError

_ROOM = 2e9  # bytes that a training of a small network on stored features needs at most
_PATIENCE_SECONDS = 10.0  # for a process to end
_DIE_AT_ONCE = (
    "--jobs: processes end before they are given any work. In a script of your own, call tricue below "
    '`if __name__ == "__main__":`; else give --jobs 1.'
)


class FleetError(TrainingError):
    """Some of several computations failed; the message names each with its reason."""


@dataclass(frozen=True)
class Call:
    """One of several independent computations."""

    name: str  # for people: phase-1, seed 0, fold 2
    function: Callable[[], Any]  # picklable: a partial of a module's function


@dataclass(frozen=True)
class Outcome:
    """What a call gave, or why it gave nothing."""

    number: int  # of the call
    value: Any = None
    failure: Exception | None = None
    seconds: float = 0.0


# Calls in, outcomes out in any order; `started` is given the number of each call that begins. Another one (many
# machines) need only give each call's outcome, with the errors named in `run_fleet` as its failure.
Scheduler = Callable[[Sequence[Call], Callable[[int], None]], Generator[Outcome]]


def run_fleet(
    calls: Sequence[Call], *, jobs: int, threads: int, quiet: bool, scheduler: Scheduler | None = None
) -> list[Any]:
    """Run all calls and return their values, in the order of the calls.

    A call that raises TrainingError, or whose process is killed, fails by itself: the others are run. Any other error
    (InputError, a full disk) would meet the others too, and correcting it may change them: it ends all at once.

    Args:
        calls: Independent computations, the longest first.
        jobs: Calls that run at once, each in a process of its own; 1: one after another, in this process.
        threads: Threads that each call computes with.
        quiet: No progress on the terminal.
        scheduler: Runs the calls in place of this machine's processes.

    Raises:
        FleetError: Some calls failed, and the others have ended. A single call raises its own error.
    """
    if len(calls) == 1:
        with _limited(threads):
            return [calls[0].function()]
    if scheduler is None:
        scheduler = in_processes(jobs, threads) if jobs > 1 else in_this_process(threads)
    values: dict[int, Any] = {}
    failures: list[str] = []
    with (
        FleetProgress([call.name for call in calls], quiet) as progress,
        closing(scheduler(calls, progress.start)) as outcomes,  # its processes end with the loop
    ):
        for outcome in outcomes:
            if outcome.failure is None:
                values[outcome.number] = outcome.value
            elif isinstance(outcome.failure, TrainingError):
                failures.append(f"  {calls[outcome.number].name}: {outcome.failure}")
            else:
                raise outcome.failure
            progress.finish(outcome.number, outcome.seconds, failed=outcome.failure is not None)
    if failures:
        raise FleetError(
            f"{len(failures)} of {len(calls)} failed, the others are finished. Give the same command again to run only "
            "what is left.\n" + "\n".join(failures)
        )
    return [values[number] for number in range(len(calls))]


def choose_jobs(jobs: int | None, calls: int, device: str) -> int:
    """Calls that run at once: as many as asked for; by default one per core as far as memory allows, on a GPU one."""
    if jobs is None and choose_device(device) != "cpu":
        return 1
    most = min(cores(), int(psutil.virtual_memory().available / _ROOM)) if jobs is None else jobs
    return max(1, min(most, calls))


def threads_each(calls: int) -> int:
    """Threads that each of so many calls computes with: its share of the cores, however many run at once."""
    most = torch.get_num_threads()
    return most if calls == 1 else max(1, min(most, cores() // calls))


def in_this_process(threads: int) -> Scheduler:
    """One call after another."""

    def run(calls: Sequence[Call], started: Callable[[int], None]) -> Generator[Outcome]:
        with _limited(threads):
            for number, call in enumerate(calls):
                started(number)
                yield _run(number, call)

    return run


@contextmanager
def _limited(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run(number: int, call: Call) -> Outcome:
    began = time.monotonic()
    try:
        value = call.function()
    except (InputError, TrainingError, OSError) as error:
        return Outcome(number, failure=error, seconds=time.monotonic() - began)
    return Outcome(number, value, seconds=time.monotonic() - began)


# --- several processes ---------------------------------------------------------------------------


def in_processes(count: int, threads: int) -> Scheduler:
    """`count` calls at once, each in a process with `threads` threads.

    What the processes log is logged here, with the name of the call before it. They end with this process, however
    that ends, and at once when the caller stops reading: what they had in hand is lost, as by a kill.
    """

    def run(calls: Sequence[Call], started: Callable[[int], None]) -> Generator[Outcome]:
        waiting = deque(range(len(calls)))
        workers = {w.connection: w for w in (_Worker(threads) for _ in range(min(count, len(calls))))}
        try:
            while workers:
                for connection in wait(list(workers)):
                    worker = workers[connection]  # type: ignore[index]
                    message = worker.receive()
                    if isinstance(message, logging.LogRecord):
                        _log(message, calls[worker.number].name if worker.number is not None else "")
                        continue
                    if isinstance(message, Outcome):
                        yield message
                    if message is None:
                        del workers[worker.connection]
                        yield worker.lost()
                        if waiting:
                            worker = _Worker(threads)
                            workers[worker.connection] = worker
                    elif waiting:
                        worker.number = waiting.popleft()
                        started(worker.number)
                        worker.connection.send((worker.number, calls[worker.number]))
                    else:
                        workers.pop(worker.connection).end()
        finally:
            for worker in workers.values():
                worker.end()

    return run


class _Worker:
    """A process that runs one call after another, seen from this side."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a forked copy of a threaded torch can hang
        self.connection, theirs = context.Pipe()
        parent, self.alive = context.Pipe(duplex=False)  # closed by `end`, or by the end of this process
        self.number: int | None = None  # of the call in hand; None: it has not begun
        level = logging.getLogger("tricue").getEffectiveLevel()
        self.process = context.Process(target=_work, args=(theirs, parent, threads, level))
        self.process.start()
        theirs.close()
        parent.close()

    def receive(self) -> Any:
        """What the process tells: that it is ready, a log record, an Outcome; None: it has ended."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def lost(self) -> Outcome:
        """The outcome of the call whose process has ended before the call did.

        Raises InputError where none was begun, RuntimeError for an error of ours, which the process has printed.
        """
        self.end()
        if self.number is None:
            raise InputError(_DIE_AT_ONCE)
        status = self.process.exitcode
        if status is None or status >= 0:
            raise RuntimeError(f"A process ended with status {status}; its error is printed above.")
        reason = f"its process was killed by signal {-status}" + (" (out of memory?)" if status == -9 else "")
        return Outcome(self.number, failure=TrainingError(reason))

    def end(self) -> None:
        self.alive.close()
        self.process.join(_PATIENCE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


_READY = "ready"


def _work(connection: Connection, parent: Connection, threads: int, level: int) -> None:
    """The body of a process: calls in, log records and outcomes out."""
    begin_child(parent, threads)
    handler = _Relay(connection)
    logging.getLogger().addHandler(handler)
    logging.getLogger("tricue").setLevel(level)
    handler.tell(_READY)
    while True:  # until the parent closes its side, which `begin_child` sees
        number, call = connection.recv()
        handler.tell(_picklable(_run(number, call)))


class _Relay(QueueHandler):
    """Hands log records to the parent."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)  # type: ignore[arg-type]
        self.connection = connection

    def enqueue(self, record: logging.LogRecord) -> None:
        self.connection.send(record)

    def tell(self, message: Any) -> None:
        """Send something else, and no record of another thread meanwhile."""
        self.acquire()
        try:
            self.connection.send(message)
        finally:
            self.release()


def _picklable(outcome: Outcome) -> Outcome:
    """The outcome with an error that can be rebuilt in another process: not every class of ours can."""
    error = outcome.failure
    if isinstance(error, InputError | TrainingError):
        plain = InputError if isinstance(error, InputError) else TrainingError
        return Outcome(outcome.number, failure=plain(str(error)), seconds=outcome.seconds)
    return outcome


def _log(record: logging.LogRecord, name: str) -> None:
    """Log what a process has logged; of the rows all say the same, which `said_once` lets pass once."""
    logger = logging.getLogger(record.name)
    if name and record.name not in OF_ROWS:
        record.msg = f"{name}: {record.msg}"
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
