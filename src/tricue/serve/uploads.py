"""Receiving a request: its body within limits of size and time, its files in a folder that ends with it."""

import asyncio
import errno
import logging
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tricue.serve.asked import FIELDS, Question, of_form, of_json
from tricue.serve.errors import Refusal, bad, busy
from tricue.serve.limits import Limits
from tricue.serve.scratch import scratch

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

_BESIDE = 1_000_000  # bytes of a form beside its media file and text: subtitles, boundaries
_SMALL = 65_536  # bytes of a body that is no burden
_FILES = ("file", "subtitles")
_HEADERS = 8  # of one part of a form
_HEADER_BYTES = 16_384  # of all headers of one part
_DOMAINS = ("idna", "punycode")  # codecs of domain names: the time they take grows with the square of the length


def is_large(request: Request) -> bool:
    """Whether its body is worth a thought before it is received; one that does not tell its size is."""
    told = request.headers.get("content-length", "")
    return not told.isdigit() or int(told) > _SMALL


@asynccontextmanager
async def received(request: Request, limits: Limits) -> AsyncIterator[Question]:
    """What is asked; its files lie in a private folder under names of ours, and are removed at the end.

    Raises Refusal: 400, 408 (too slow), 413, 415, 503 (no descriptors left), 507 (no room on the disk).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await _in_time(_body(request, limits), limits)
        if len(body) > _SMALL:  # others are answered meanwhile
            yield await asyncio.to_thread(of_json, body, limits)
        else:
            yield of_json(body, limits)
    elif kind == "multipart/form-data":
        with ExitStack() as stack:
            with _room():
                folder = stack.enter_context(scratch())
                form = await _in_time(_form(request, limits), limits)
                try:  # out of the time: a copy that goes on in its thread would outlive the folder
                    question = await _question(form, folder, limits)
                finally:
                    await form.close()
            yield question
    else:
        raise Refusal(
            415, "unsupported_media", "The body is neither multipart/form-data nor application/json: see /docs."
        )  # fmt: skip


@contextmanager
def _room() -> Iterator[None]:
    """Raises Refusal where the machine has no room for what is sent: 503, 507."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise busy("No file can be opened") from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _LOG.error("An upload cannot be kept: %s. $TMPDIR names another folder.", error.strerror)
        raise Refusal(507, "no_room", "The service has no room left for uploads.") from error


async def _in_time(reading: Awaitable[T], limits: Limits) -> T:
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await reading
    except TimeoutError as error:
        reason = f"The body took longer than {limits.body_seconds:g} s to arrive."
        raise Refusal(408, "slow_client", reason) from error


async def _body(request: Request, limits: Limits) -> bytes:
    return b"".join([chunk async for chunk in _within(request, limits.json_bytes)])


async def _within(request: Request, most: int) -> AsyncGenerator[bytes]:
    """The body's parts, until there is too much. Raises Refusal (413)."""
    told = request.headers.get("content-length", "0")
    came = int(told) if told.isdigit() else 0
    if came <= most:
        came = 0
        async for chunk in request.stream():
            came += len(chunk)
            if came > most:
                break
            yield chunk
    if came > most:
        raise Refusal(413, "too_large", f"The body is larger than {most:,} bytes.")


class _Parts(MultiPartParser):
    """Bounds what stands before the content of each part, which the parser's own limits leave out, and knows whether
    the form has ended: the parser drops a part that is cut short in silence."""

    _header_bytes = 0
    _cut = False

    def on_part_begin(self) -> None:
        if self._charset.lower() in _DOMAINS:
            raise MultiPartException(f"It names the charset {self._charset}: send UTF-8.")
        self._header_bytes, self._cut = 0, True
        super().on_part_begin()

    def on_end(self) -> None:
        self._cut = False
        super().on_end()

    async def parse(self) -> FormData:
        form = await super().parse()
        if self._cut:
            await form.close()
            raise MultiPartException("It ends before its last boundary.")
        return form

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._bounded(end - start)
        super().on_header_field(data, start, end)

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._bounded(end - start)
        super().on_header_value(data, start, end)

    def on_header_end(self) -> None:
        super().on_header_end()
        if len(self._current_part.item_headers) > _HEADERS:
            raise MultiPartException(f"A part has more than {_HEADERS} headers.")

    def _bounded(self, more: int) -> None:
        self._header_bytes += more
        if self._header_bytes > _HEADER_BYTES:
            raise MultiPartException(f"The headers of a part have more than {_HEADER_BYTES:,} bytes.")


async def _form(request: Request, limits: Limits) -> Any:
    most = limits.bytes + 4 * limits.characters + _BESIDE
    parser = _Parts(
        request.headers, _within(request, most), max_files=len(_FILES), max_fields=len(FIELDS),
        max_part_size=4 * limits.characters,
    )  # fmt: skip
    try:
        return await parser.parse()
    except MultiPartException as error:
        if "exceeded maximum size" in error.message:
            raise Refusal(413, "too_long", f"A field is longer than {limits.characters:,} characters.") from error
        raise bad(f"The form cannot be read: {error.message}") from error
    except FormParserError as error:  # of the parser below: not all versions of Starlette catch it
        raise bad("The form cannot be read: it is no multipart/form-data.") from error
    except UnicodeError as error:  # the parser falls back where a charset is unknown, but not for "undefined"
        raise bad(f"The form is not in the charset that it names ({type(error).__name__}).") from error


async def _question(form: Any, folder: Path, limits: Limits) -> Question:
    fields: dict[str, str] = {}
    files: dict[str, Path] = {}
    called = ""
    for name, value in form.multi_items():
        if name not in FIELDS:
            raise bad(f"Unknown field {ascii(name)[:40]}: a form has {', '.join(FIELDS)}.")
        if name in fields or name in files:
            raise bad(f"The field `{name}` is there twice.")
        if isinstance(value, UploadFile) != (name in _FILES):
            raise bad(f"`{name}` is {'no file' if name in _FILES else 'a file'}.")
        if not isinstance(value, UploadFile):
            fields[name] = value
        elif value.filename or value.size:  # a form whose file was not chosen has an empty one
            most = limits.bytes if name == "file" else _BESIDE
            if (value.size or 0) > most:
                raise Refusal(413, "too_large", f"The {name} is larger than {most:,} bytes.")
            files[name] = folder / name
            called = value.filename or "" if name == "file" else called
            await asyncio.to_thread(_keep, value.file, files[name])
    return of_form(fields, files.get("file"), files.get("subtitles"), limits, called)


def _keep(source: Any, path: Path) -> None:
    with path.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
