"""Dynamic batching: what is asked at about the same time is read together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

from tricue.serve.counters import Metrics
from tricue.serve.errors import busy
from tricue.serve.limits import Limits

_PATIENCE = 5  # milliseconds, in which a client on this machine has read its answer and asks again

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Items of many callers go through `read` in batches of up to `limits.batch`, one batch at a time, in order.

    What arrives during the work makes the next batch. It waits some milliseconds for as many as there were just before,
    for whoever has been answered may ask again: else many clients are read as two halves in turn, one half asking while
    the other is read, and a small batch costs more per text. A client alone never waits. Where a batch fails its items
    are read one by one, so that a bad one fails alone.
    """

    def __init__(
        self, read: Callable[[Sequence[T]], Sequence[R]], limits: Limits, metrics: Metrics, executor: Executor
    ) -> None:
        self._read, self._limits, self._metrics, self._executor = read, limits, metrics, executor
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._some = asyncio.Event()

    async def ask(self, items: Sequence[T]) -> list[R]:
        """The answers, in order. Raises Refusal (503) where too many wait already."""
        if len(self._waiting) + len(items) > self._limits.queue:
            raise busy(f"{len(self._waiting)} texts wait for the model already")
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in items]
        self._waiting.extend(zip(items, futures, strict=True))
        self._note()
        return await asyncio.gather(*futures)

    async def run(self) -> None:
        """Read what is asked until cancelled."""
        company = 0
        while True:
            await self._some.wait()
            await self._gathered(min(company, self._limits.batch))
            batch = self._taken()
            await self._work(batch)
            company = len(batch) + len(self._waiting)

    async def _gathered(self, company: int) -> None:
        """Until so many texts wait, or none has come for a while."""
        quiet = 0
        while len(self._waiting) < company and quiet < _PATIENCE:
            before = len(self._waiting)
            await asyncio.sleep(0.001)
            quiet = quiet + 1 if len(self._waiting) == before else 0

    def _note(self) -> None:
        """Keep the event and the gauge in step with what waits."""
        self._metrics.waiting.set(len(self._waiting))
        if self._waiting:
            self._some.set()
        else:
            self._some.clear()

    def _taken(self) -> list[tuple[T, asyncio.Future[R]]]:
        """The next batch; whose caller has gone away is left out."""
        taken: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(taken) < self._limits.batch:
            item, future = self._waiting.popleft()
            if not future.done():
                taken.append((item, future))
        self._note()
        return taken

    async def _work(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        if not batch:
            return
        self._metrics.batches.observe(len(batch))
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._executor, self._read, [item for item, _ in batch])
        (done,) = await asyncio.gather(work, return_exceptions=True)
        if not isinstance(done, BaseException):
            for (_, future), answer in zip(batch, done, strict=True):
                if not future.done():
                    future.set_result(answer)
        elif len(batch) > 1:
            for pair in batch:
                await self._work([pair])
        elif not batch[0][1].done():
            batch[0][1].set_exception(done)
