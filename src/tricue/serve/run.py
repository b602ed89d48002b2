"""The service on a socket (uvicorn), with slow and surplus connections refused."""

import asyncio
import errno
import logging
import math
import socket
import time
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits
from tricue.types import InputError

_LOG = logging.getLogger(__name__)
_GRACE = 5  # seconds that requests have when the service is stopped
_LAST = 1.0  # seconds in which those who have had them are answered that it ends
_PAUSE = 1.0  # seconds between two lines of the log that say the same
_PIECE = 16_384  # bytes that are read of a connection before others have their turn
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # for another connection


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to host and port (0: any that is free). Raises InputError where that cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = f"Give another port, e.g. --port {port + 1}."
        raise InputError(f"--host {host} --port {port}: {reason}. {remedy}") from error


def serve(app: Any, place: socket.socket, limits: Limits, ready: Callable[[], None]) -> None:
    """Answer until interrupted; `ready` is called once the model is warm and the port answers."""
    config = uvicorn.Config(
        app, loop="asyncio", http=_patient(limits), ws="none", lifespan="on", log_config=None, log_level="warning",
        access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    server = _Announcing(config)
    server.ready = ready
    server.run([place])


class _Announcing(uvicorn.Server):
    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(_Faults())
        await super().startup(sockets)
        if self.started:
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Those whose time is over are cancelled there, but not waited for: a signal would end the process before they
        have their answer."""
        await super().shutdown(sockets)
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=_LAST)


class _Faults:
    """Of the event loop. Where no connection can be accepted, asyncio says so thousands of times in each second in
    which it tries again; here it is one line."""

    def __init__(self) -> None:
        self._said = -math.inf

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _NO_ROOM):
            loop.default_exception_handler(context)
        elif time.monotonic() - self._said >= _PAUSE:
            self._said = time.monotonic()
            _LOG.error("Connections cannot be accepted: %s", error.strerror)


def _patient(limits: Limits) -> type[H11Protocol]:
    class Patient(H11Protocol):
        """Ends connections whose request does not begin, whose body goes on after its answer, or whose answer is not
        fetched; uvicorn itself waits for ever. A body on its way is watched where it is read (uploads.py)."""

        _deadline: asyncio.TimerHandle | None = None
        _fetched_by: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            # asyncio does so for its own sockets; else an answer's body waits 40 ms for the receipt of its head
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # what asyncio reads at once is worked through at once, and may be thousands of chunks of a byte
            transport.max_size = _PIECE
            # writing is paused as long as anything waits here to be fetched
            transport.set_write_buffer_limits(0)
            if len(self.connections) > limits.connections:
                self._say(503, "busy", "Too many connections are open; ask again in a moment.")
            else:
                self._expect()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop("_deadline")
            elif self._deadline is None:
                self._expect()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop("_deadline", "_fetched_by")
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._say(400, "bad_request", msg)

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._fetched_by is None:
                self._fetched_by = self.loop.call_later(limits.body_seconds, self._unfetched)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.cycle is None or self.cycle.response_complete:  # else more of the same answer is to come
                self._stop("_fetched_by")

        def on_response_complete(self) -> None:
            if not self.flow.write_paused:
                self._stop("_fetched_by")
            super().on_response_complete()

        def _stop(self, *timers: str) -> None:
            for timer in timers:
                if (running := getattr(self, timer)) is not None:
                    running.cancel()
                    setattr(self, timer, None)

        def _unfetched(self) -> None:
            self._fetched_by = None
            if self.flow.write_paused:
                self.transport.abort()  # to close it would be to wait until all is fetched

        def _expect(self) -> None:
            self._deadline = self.loop.call_later(limits.head_seconds, self._late)

        def _late(self) -> None:
            if self.conn.our_state is h11.IDLE:
                self._say(408, "slow_client", f"No request came in {limits.head_seconds:g} s.")
            else:
                self.transport.close()

        def _say(self, status: int, code: str, reason: str) -> None:
            body = Refusal(status, code, reason).response().body
            head = (
                f"HTTP/1.1 {status} {STATUS_PHRASES[status].decode()}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\nretry-after: 1\r\n"
                "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + bytes(body))
            self.transport.close()

    return Patient
