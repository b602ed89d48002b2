"""The service: its routes, and what lives as long as it does."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tricue import __version__
from tricue.recording.timeline import task_json
from tricue.recording.transcribe import Transcriber
from tricue.registry import MODALITIES
from tricue.serve.answers import Error, answer, answer_models, failed
from tricue.serve.asked import Question
from tricue.serve.batching import Batcher
from tricue.serve.clips import Clips
from tricue.serve.counters import Metrics
from tricue.serve.decoders import Decoders
from tricue.serve.errors import Refusal, bad, busy, left
from tricue.serve.guard import Guard
from tricue.serve.limits import LIMITS, Limits
from tricue.serve.reading import Reader, Reading
from tricue.serve.schema import body
from tricue.serve.scratch import sweep
from tricue.serve.uploads import is_large, received
from tricue.types import Utterance

STATIC = Path(__file__).with_name("static")


class Service:
    """A model that answers: what the routes call."""

    def __init__(self, reader: Reader, name: str, limits: Limits, transcriber: Transcriber | None) -> None:
        self.reader, self.name, self.limits = reader, name, limits
        self.metrics = Metrics()
        self._texts = ThreadPoolExecutor(1, "texts")
        self._batcher: Batcher[Utterance, Reading] = Batcher(reader.read, limits, self.metrics, self._texts)
        self._threads = ThreadPoolExecutor(limits.decoders, "clips")
        self._decoders = Decoders(limits, self.metrics)
        self._clips = Clips(reader, self._decoders, limits, transcriber)
        self._hand = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Warmed up, and ended with whatever runs."""
        loop = asyncio.get_running_loop()
        warming = loop.run_in_executor(self._texts, self.reader.warm_up, self.limits.batch)
        await asyncio.to_thread(sweep)
        self._decoders.start(await warming)  # then: what was compiled on first use, they load
        reading = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            reading.cancel()
            for threads in (self._texts, self._threads):
                threads.shutdown(wait=False, cancel_futures=True)
            self._decoders.end()

    def model(self) -> dict[str, Any]:
        card = self.reader.card
        return {
            "name": self.name, **({} if card.task.kind == "values" else {"emotions": card.emotions}),
            "task": task_json(card.task, card.calibration), "modalities": self.reader.modalities, "toy": card.toy,
            "shown": {m: {"word": MODALITIES[m].word, "colour": MODALITIES[m].colour} for m in self.reader.modalities},
            "note": card.note, **({"temperature": card.temperature} if card.task.kind == "classes" else {}),
            "transcribes": self._clips.transcriber is not None, "limits": self.limits.told(), "version": __version__,
        }  # fmt: skip

    async def predict(self, request: Request) -> dict[str, Any]:
        began = time.perf_counter()
        large = is_large(request)
        async with AsyncExitStack() as stack:
            if large:
                stack.enter_context(self._in_hand())
            question = await stack.enter_async_context(received(request, self.limits))
            if question.file is not None and not large:
                stack.enter_context(self._in_hand())
            found = await self._unless_gone(question, request)
        took = round(1000 * (time.perf_counter() - began), 1)
        for row in (found, *found.get("answers", ())):
            row["milliseconds"] = took
        return found

    @contextmanager
    def _in_hand(self) -> Iterator[None]:
        """Raises Refusal (503) where so many uploads are in hand already."""
        if self._hand >= self.limits.waiting_clips:
            raise busy(f"{self._hand} uploads are in hand already")
        self._hand += 1
        self.metrics.clips.set(self._hand)
        try:
            yield
        finally:
            self._hand -= 1
            self.metrics.clips.set(self._hand)

    async def _unless_gone(self, question: Question, request: Request) -> dict[str, Any]:
        """The answer. Raises Refusal (499) where the client goes away meanwhile: texts that still wait are not read,
        and a clip's thread, which needs its files, ends as soon as it can."""
        gone = Event()
        answering = asyncio.create_task(self._answer(question, gone))

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            gone.set()
            if question.file is None:
                answering.cancel()

        watching = asyncio.create_task(watch())
        try:
            found = await answering
            if gone.is_set():
                raise left()
            return found
        except asyncio.CancelledError:
            if gone.is_set():
                raise left() from None
            raise  # the service is being ended
        finally:
            gone.set()
            watching.cancel()

    async def _answer(self, question: Question, gone: Event) -> dict[str, Any]:
        """gone: set where nobody waits any more."""
        if question.abstain is not None and self.reader.task.kind != "classes":
            raise bad(f"`abstain`: answers of the {self.reader.task.name} task have no confidence; leave it out.")
        if question.batch:
            return await self._batch(question)
        if question.file is not None:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._clips.answer, question, gone)
        text = question.text or ""
        if "text" not in self.reader.modalities:
            known = " and ".join(self.reader.modalities)
            raise Refusal(422, "no_words", f"This model reads {known}, not words.")
        (reading,) = await self._batcher.ask([Utterance("1", text=text)])
        if reading.prediction.label is None:
            raise Refusal(422, "nothing_to_go_by", f"Nothing to go by: {reading.prediction.error}.")
        return answer("1", reading, self.reader.task, text=text, abstain=question.abstain)

    async def _batch(self, question: Question) -> dict[str, Any]:
        """Rows in = rows out; a row that cannot be read says why."""
        readable = [Utterance(item.id, text=item.text) for item in question.items if item.error is None]
        readings = iter(await self._batcher.ask(readable))
        task, abstain = self.reader.task, question.abstain
        answers = [
            answer(item.id, next(readings), task, text=item.text, abstain=abstain)
            if item.error is None
            else failed(item.id, item.error, task)
            for item in question.items
        ]
        return {"answers": answers}


def make_app(
    reader: Reader, name: str, limits: Limits = LIMITS, transcriber: Transcriber | None = None,
    names: Collection[str] | None = None,
) -> Guard:  # fmt: skip
    """The ASGI application. names: the hosts under which it may be asked beside this machine's own; None: any."""
    service = Service(reader, name, limits, transcriber)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(  # whose own pages of documentation would be loaded from another host
        title="tricue", version=__version__, description="Emotions of words and clips, with how sure the model is.",
        docs_url=None, redoc_url=None, lifespan=lifespan,
    )  # fmt: skip
    _add_routes(app, service)
    _add_errors(app)
    return Guard(app, service.metrics, names)


def _add_routes(app: FastAPI, service: Service) -> None:
    refused: dict[int | str, dict[str, Any]] = {status: {"model": Error} for status in (400, 403, 500)}
    more: dict[int | str, dict[str, Any]] = {s: {"model": Error} for s in (408, 413, 415, 422, 503, 504, 507)}

    task = service.reader.task
    one, several = answer_models(task)

    @app.post(
        "/v1/predict", openapi_extra={"requestBody": body(service.limits, task.kind == "classes")},
        responses={200: {"model": one | several}, **refused, **more},
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        """What is said of a text, a clip, or both; or of a batch of texts."""
        return JSONResponse(await service.predict(request), headers={"Cache-Control": "no-store"})

    @app.get("/v1/health", responses=refused)
    async def health() -> dict[str, str]:
        """Whether it answers."""
        return {"status": "ok", "model": service.name}

    @app.get("/v1/model", responses=refused)
    async def model() -> dict[str, Any]:
        """The model, and the limits of a request."""
        return service.model()

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(STATIC / "api.html")

    app.mount("/static", StaticFiles(directory=STATIC, packages=[("tricue.recording", "static")], check_dir=False))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return refusal.response()

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        refusal = Refusal(error.status_code, code, f"{error.detail}.")
        refusal.headers |= error.headers or {}
        return refusal.response()

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return left().response()

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return Refusal(500, "internal", "The service failed; its log says why.").response()
