"""JSON of others, its size counted before it is parsed: a small body may hold millions of values."""

import json
import re
from typing import Any

from tricue.serve.errors import Refusal, bad

# possessive, so that each character is read once; a string that does not end is one to the end
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


def parse(body: bytes, most: int) -> Any:
    """The values of a JSON text in UTF-8. Raises Refusal: 413 for more than `most` of them, 400 for what is no JSON or
    has a key twice."""
    try:
        text = body.decode("utf-8-sig")
        bare = _STRING.sub("", text)
        if sum(map(bare.count, "[{")) != sum(map(bare.count, "]}")):
            raise ValueError("brackets that are not closed")
        if sum(map(bare.count, "[{,")) > most:
            raise Refusal(413, "too_many", f"The body has more than {most:,} values.")
        return json.loads(text, object_pairs_hook=_of_pairs)
    except (ValueError, RecursionError) as error:
        raise bad(f"The body is not valid JSON ({type(error).__name__}).") from error


def _of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. What a reader of JSON makes of a key that is there twice is not defined: not the same everywhere."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise bad(f"The key {ascii(twice)[:40]} is there twice.")
    return made
