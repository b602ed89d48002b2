"""JSON on disk: written in one step, read back within bounds."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from tricue.files.atomic import is_file, replaced_file
from tricue.types import InvalidFileError

MAX_JSON_BYTES = 16 * 2**20  # of a file that one of our commands writes: they take kilobytes
MAX_JSON_DEPTH = 64  # lists and objects inside one another


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step."""
    with replaced_file(path) as part:
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path, what: str, remedy: str, *, finite: bool = True, expected: type = dict) -> Any:
    """Read JSON that may be damaged or made by somebody else.

    Args:
        path: Regular file in UTF-8.
        what: Its content in words, for the error.
        remedy: Sentence that ends the error.
        finite: Whether NaN and infinities are refused.
        expected: Type of the outermost value.

    Raises:
        InvalidFileError: The file can't be read, is too large, no JSON, nested too deeply, repeats a name in an
            object, holds half a surrogate pair, or its outermost value has another type.
    """
    try:
        content = json.loads(_read_bounded(path, remedy), object_pairs_hook=_without_repeats)
        _check_values(content, finite)
    except RecursionError as error:
        raise InvalidFileError(f"{path} is damaged: not valid JSON (nested too deeply). {remedy}") from error
    except ValueError as error:  # of the encoding, of the JSON, or of its values
        if isinstance(error, InvalidFileError):
            raise
        raise InvalidFileError(f"{path} is damaged: not valid JSON ({str(error)[:200]}). {remedy}") from error
    if not isinstance(content, expected):
        raise InvalidFileError(f"{path} is not {what}. {remedy}")
    return content


def _read_bounded(path: Path, remedy: str) -> str:
    """The text of a JSON file. Raises UnicodeDecodeError, and InvalidFileError where there is too much of it."""
    if not is_file(path):  # a pipe would be waited for
        raise InvalidFileError(f"{path} is no regular file. {remedy}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise InvalidFileError(f"{path} can't be read ({error.strerror or error}). {remedy}") from error
    if len(content) > MAX_JSON_BYTES:
        raise InvalidFileError(f"{path} has more than {MAX_JSON_BYTES:,} bytes. {remedy}")
    return content.decode("utf-8")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return content


def _check_values(content: Any, finite: bool) -> None:
    """Raise ValueError for what is nested too deeply, no finite number or no text; level by level, not recursively."""
    level = [content]
    for _ in range(MAX_JSON_DEPTH + 1):
        following: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                following += value.keys()
                following += value.values()
            elif isinstance(value, list):
                following += value
            elif isinstance(value, str):
                value.encode()  # half a surrogate pair is a UnicodeEncodeError
            elif finite and isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{value} is no finite number")
        if not following:
            return
        level = following
    raise ValueError(f"nested more than {MAX_JSON_DEPTH} deep")


def json_digest(content: Any) -> str:
    """SHA-256 of JSON's values, however they are laid out in a file, in hex."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
