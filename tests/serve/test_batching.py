"""Dynamic batching: together what is asked together, in order, each failing alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from tricue.serve.batching import Batcher
from tricue.serve.counters import Metrics
from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits

Body = Callable[[Any], Awaitable[None]]


class Read:
    """Doubles numbers; keeps the batches that it was given; waits where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = Event()
        self.open.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        assert self.open.wait(30)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


def batching(read: Read, body: Body, **limits: Any) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            batcher: Batcher[int, int] = Batcher(read, Limits(**limits), Metrics(), pool)
            running = asyncio.create_task(batcher.run())
            try:
                async with asyncio.timeout(30):
                    await body(batcher)
            finally:
                read.open.set()
                running.cancel()

    asyncio.run(run())


async def begun(read: Read, count: int) -> None:
    while len(read.batches) < count:
        await asyncio.sleep(0.001)


def test_what_is_asked_together_is_read_together() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        found = await asyncio.gather(*(batcher.ask([i]) for i in range(10)))
        assert found == [[2 * i] for i in range(10)]

    batching(read, body, batch=32)
    assert read.batches == [list(range(10))]


def test_what_comes_during_the_work_makes_the_next_batch() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        read.open.clear()
        asks = [asyncio.create_task(batcher.ask([0]))]
        await begun(read, 1)
        asks += [asyncio.create_task(batcher.ask([i, i + 1])) for i in range(1, 11, 2)]
        await asyncio.sleep(0.05)
        read.open.set()
        found = await asyncio.gather(*asks)
        assert found == [[0], *([2 * i, 2 * i + 2] for i in range(1, 11, 2))]

    batching(read, body, batch=8)
    assert read.batches == [[0], [1, 2, 3, 4, 5, 6, 7, 8], [9, 10]]


def test_who_has_been_answered_and_asks_again_joins_those_who_wait() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        async def client(*asked: int) -> None:
            for number in asked:
                assert await batcher.ask([number]) == [2 * number]

        read.open.clear()
        clients = [asyncio.create_task(client(0, 3))]
        await begun(read, 1)
        clients += [asyncio.create_task(client(number)) for number in (1, 2)]
        await asyncio.sleep(0.01)
        read.open.set()
        await asyncio.gather(*clients)

    batching(read, body)
    assert read.batches == [[0], [1, 2, 3]]


def test_a_client_alone_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    read, patience = Read(), 1_000_000  # for ever, were there company

    async def body(batcher: Any) -> None:
        for number in range(5):
            assert await batcher.ask([number]) == [2 * number]

    monkeypatch.setattr("tricue.serve.batching._PATIENCE", patience)
    batching(read, body)
    assert read.batches == [[0], [1], [2], [3], [4]]


def test_company_that_has_gone_is_not_waited_for() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        await batcher.ask([0, 1, 2])
        assert await batcher.ask([3]) == [6]

    batching(read, body)
    assert read.batches == [[0, 1, 2], [3]]


def test_one_by_one() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        assert await asyncio.gather(*(batcher.ask([i]) for i in range(4))) == [[0], [2], [4], [6]]

    batching(read, body, batch=1)
    assert read.batches == [[0], [1], [2], [3]]


def test_a_bad_item_fails_alone() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        found = await asyncio.gather(*(batcher.ask([i]) for i in (1, 13, 2)), return_exceptions=True)
        assert found[0] == [2] and isinstance(found[1], ValueError) and found[2] == [4]
        assert await batcher.ask([5]) == [10]

    batching(read, body, batch=8)
    assert read.batches == [[1, 13, 2], [1], [13], [2], [5]]


def test_too_many_are_refused_at_once() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        read.open.clear()
        first = asyncio.create_task(batcher.ask([0]))
        await begun(read, 1)
        waiting = asyncio.create_task(batcher.ask([1, 2, 3]))
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal, match="3 texts wait") as refusal:
            await batcher.ask([4, 5])
        assert refusal.value.status == 503 and refusal.value.headers == {"Retry-After": "1"}
        read.open.set()
        assert await first == [0] and await waiting == [2, 4, 6]

    batching(read, body, waiting_texts=4, texts=4)


def test_a_request_within_its_limit_has_room_where_none_waits() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        assert len(await batcher.ask(list(range(100, 115)))) == 15
        read.open.clear()
        first = asyncio.create_task(batcher.ask([0]))
        await begun(read, 2)
        waiting = asyncio.create_task(batcher.ask(list(range(100, 115))))
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal, match="15 texts wait"):
            await batcher.ask(list(range(6)))
        read.open.set()
        assert await first == [0] and len(await waiting) == 15

    batching(read, body, waiting_texts=10, texts=20)


def test_what_nobody_waits_for_is_not_read() -> None:
    read = Read()

    async def body(batcher: Any) -> None:
        read.open.clear()
        first = asyncio.create_task(batcher.ask([0]))
        await begun(read, 1)
        left = asyncio.create_task(batcher.ask([1]))
        stays = asyncio.create_task(batcher.ask([2]))
        await asyncio.sleep(0.01)
        left.cancel()
        await asyncio.sleep(0)
        read.open.set()
        assert await first == [0] and await stays == [4]

    batching(read, body)
    assert read.batches == [[0], [2]]


def test_requests_of_many_clients_are_read_together(serve: Any, reader: Any, monkeypatch: Any) -> None:
    """Through the whole service: the first text is in work while the others come."""
    sizes, opened, model = [], Event(), reader.recognizer
    original = model.predict_features

    def slow(rows: Any, features: Any) -> Any:
        sizes.append(len(rows))
        assert len(sizes) > 1 or opened.wait(30)
        return original(rows, features)

    with serve() as asked, ThreadPoolExecutor(13) as pool:
        monkeypatch.setattr(model, "predict_features", slow)
        texts = [f"sentence {i}" for i in range(13)]
        first = pool.submit(asked.json, {"text": texts[0]})
        while not sizes:
            pass
        others = [pool.submit(asked.json, {"text": text}) for text in texts[1:]]
        while asked.metric("tricue_texts_waiting") < 12:
            pass
        opened.set()
        found = [future.result(60).json() for future in (first, *others)]
        assert sizes == [1, 12]
        assert [answer["text"] for answer in found] == texts
        monkeypatch.undo()
        for text, answer in zip(texts, found, strict=True):
            assert answer["probabilities"] == pytest.approx(reader.recognizer.predict(text).probabilities, abs=1e-5)
