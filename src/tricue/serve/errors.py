"""What the service refuses, and how it says so: JSON with a code and a reason, never a trace."""

from starlette.responses import JSONResponse


class Refusal(Exception):
    """A request that is answered with an error; `reason` is one sentence for the one who asks."""

    def __init__(
        self, status: int, code: str, reason: str, *, retry_after: int | None = None, close: bool = False
    ) -> None:
        """retry_after: seconds. close: whether the connection ends with it."""
        super().__init__(reason)
        self.status, self.code, self.reason = status, code, reason
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if close:
            self.headers["Connection"] = "close"

    def response(self) -> JSONResponse:
        body = {"error": {"code": self.code, "reason": self.reason}}
        return JSONResponse(body, self.status, headers=self.headers)


def bad(reason: str) -> Refusal:
    return Refusal(400, "bad_request", reason)


def left() -> Refusal:
    """Nobody reads it; it is for the counters. 499 is what nginx calls it."""
    return Refusal(499, "gone", "The client has gone away.")


def busy(reason: str) -> Refusal:
    return Refusal(503, "busy", f"{reason}; ask again in a moment.", retry_after=1)
