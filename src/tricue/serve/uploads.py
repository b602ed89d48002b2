"""Receiving a request: its body within limits of size and time, its files in a folder that ends with it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tricue.serve.asked import FIELDS, Question, bad, of_form, of_json
from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits

T = TypeVar("T")

_BESIDE = 1_000_000  # bytes of a form beside its media file and text: subtitles, boundaries
_SMALL = 65_536  # bytes of a body that is no burden
_FILES = ("file", "subtitles")


def is_large(request: Request) -> bool:
    """Whether its body is worth a thought before it is received; one that does not tell its size is."""
    told = request.headers.get("content-length", "")
    return not told.isdigit() or int(told) > _SMALL


@asynccontextmanager
async def received(request: Request, limits: Limits) -> AsyncIterator[Question]:
    """What is asked; its files lie in a private folder under names of ours, and are removed at the end.

    Raises Refusal: 400, 408 (too slow), 413, 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        yield of_json(await _in_time(_body(request, limits), limits), limits)
    elif kind == "multipart/form-data":
        with tempfile.TemporaryDirectory(prefix="tricue-serve-", ignore_cleanup_errors=True) as folder:
            form = await _in_time(_form(request, limits), limits)
            try:  # out of the time: a copy that goes on in its thread would outlive the folder
                question = await _question(form, Path(folder), limits)
            finally:
                await form.close()
            yield question
    else:
        raise Refusal(
            415, "unsupported_media", "The body is neither multipart/form-data nor application/json: see /docs."
        )  # fmt: skip


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


async def _form(request: Request, limits: Limits) -> Any:
    most = limits.bytes + 4 * limits.characters + _BESIDE
    parser = MultiPartParser(
        request.headers, _within(request, most), max_files=len(_FILES), max_fields=len(FIELDS),
        max_part_size=4 * limits.characters,
    )  # fmt: skip
    try:
        return await parser.parse()
    except MultiPartException as error:
        if "exceeded maximum size" in error.message:
            raise Refusal(
                413, "too_long", f"A field is longer than {limits.characters:,} characters."
            ) from error
        raise bad(f"The form cannot be read: {error.message}") from error
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
            if (value.size or 0) > limits.bytes:
                raise Refusal(413, "too_large", f"The file is larger than {limits.bytes:,} bytes.")
            files[name] = folder / name
            called = value.filename or "" if name == "file" else called
            await asyncio.to_thread(_keep, value.file, files[name])
    return of_form(fields, files.get("file"), files.get("subtitles"), limits, called)


def _keep(source: Any, path: Path) -> None:
    with path.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
