"""Around every request: whose page it comes from, the headers of every answer, what is counted."""

import asyncio
import ipaddress
import time
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from tricue.serve.counters import Metrics
from tricue.serve.errors import Refusal, busy

_HEADERS = [
    (b"content-security-policy",
     b"default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:; connect-src 'self'; "
     b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(self)"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]  # fmt: skip
_ROUTES = ("/v1/predict", "/v1/health", "/v1/model", "/metrics", "/openapi.json", "/docs", "/static", "/")


class Guard:
    """The ASGI application around the service's own.

    names: the hosts under which the service may be asked, so that a name on the net that is made to point here finds
    nothing (DNS rebinding), in capitals or not; None: any.
    """

    def __init__(self, app: Any, metrics: Metrics, names: Collection[str] | None) -> None:
        self.app, self.metrics = app, metrics
        self.names = None if names is None else {name.lower() for name in names}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, route = time.perf_counter(), _route(scope["path"])
        status: int | None = None

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        refused = self._refused(scope)
        try:
            if refused is not None:
                await refused.response()(scope, receive, sending)
            else:
                await self.app(scope, receive, sending)
        except asyncio.CancelledError:  # the service is being ended, and the time for this request is over
            if status is None:
                await busy("The service is being ended").response()(scope, receive, sending)
        finally:
            self.metrics.requests.labels(route, str(status or 500)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)

    def _refused(self, scope: Any) -> Refusal | None:
        given = dict(scope["headers"])
        if b"content-length" in given and b"transfer-encoding" in given:  # a proxy may have read it otherwise
            return Refusal(400, "bad_request", "The body is both chunked and of a given length.", close=True)
        host = given.get(b"host", b"").decode("latin-1").lower()
        if self.names is not None and not _is_one_of(host, self.names):
            return Refusal(403, "wrong_host", "Unknown host name; tricue serve --name NAME allows it.")
        origin = given.get(b"origin", b"").decode("latin-1").lower()
        foreign = bool(origin) and origin not in (f"http://{host}", f"https://{host}")
        foreign = foreign or given.get(b"sec-fetch-site") in (b"cross-site", b"same-site")
        if scope["method"] not in ("GET", "HEAD") and foreign:
            return Refusal(403, "cross_site", "Pages of other sites are refused: ask from the service's own.")
        return None


def _route(path: str) -> str:
    """One of a few names, so that strange paths do not fill the memory with counters."""
    first = "/static" if path.startswith("/static/") else path
    return first if first in _ROUTES else "other"


def _is_one_of(host: str, names: Collection[str]) -> bool:
    """Whether a host, whatever its port, is this machine or one of `names`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    try:
        return ipaddress.ip_address(name).is_loopback or name in names
    except ValueError:
        return name == "localhost" or name in names
