"""Requests: checked values of a form's fields or a JSON body. Nothing here touches a file."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricue.recording.segments import SHORTEST_WINDOW
from tricue.serve.errors import Refusal, bad
from tricue.serve.limits import LONGEST_ID, Limits
from tricue.serve.parsing import parse

FIELDS = ("text", "file", "abstain", "transcribe", "subtitles", "windows")
_KEYS = ("text", "inputs", "abstain")
_LONGEST_NAME = 100
_SWITCH = {"": False, "false": False, "0": False, "off": False, "true": True, "1": True, "on": True}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Item:
    """One text of a request; `error` says why it cannot be read."""

    id: str
    text: str | None
    error: str | None = None


@dataclass(frozen=True)
class Question:
    """A request: one text or clip, or a batch of texts."""

    items: tuple[Item, ...] = ()  # of a batch
    text: str | None = None
    file: Path | None = None  # in the request's own folder, under a name of ours
    subtitles: Path | None = None
    windows: float | None = None
    transcribe: bool = False
    abstain: float | None = None
    batch: bool = False
    name: str = "recording"  # that a clip is called in its timeline; never a path


def of_json(body: bytes, limits: Limits) -> Question:
    """Raises Refusal (400, 413) where the body is no request."""
    content = parse(body, limits.json_values)
    if not isinstance(content, dict):
        raise bad('The body is no JSON object: send {"text": "..."} or {"inputs": ["...", ...]}.')
    if unknown := sorted(set(content) - set(_KEYS)):
        shown = ", ".join(ascii(name)[:40] for name in unknown[:5])
        raise bad(f"Unknown keys {shown}: a JSON body has {', '.join(_KEYS)}.")
    if ("text" in content) == ("inputs" in content):
        raise bad('Give either "text" or "inputs".')
    abstain = _as_probability(content.get("abstain"))
    if "inputs" in content:
        return Question(_items(content["inputs"], limits), abstain=abstain, batch=True)
    if not isinstance(content["text"], str):
        raise bad('"text" is not a string.')
    return Question(text=_clean(content["text"], limits), abstain=abstain)


def of_form(
    fields: Mapping[str, str], file: Path | None, subtitles: Path | None, limits: Limits, name: str = ""
) -> Question:
    """fields: those that are no files; name: the client's name of the file. Raises Refusal as `of_json`."""
    text = _clean(fields["text"], limits) if "text" in fields else None
    if file is None and text is None:
        raise bad("There is nothing to go by: give `text`, or a media file as `file`.")
    seconds = _as_number(fields.get("windows"))
    if seconds is not None and not SHORTEST_WINDOW <= seconds < math.inf:
        raise bad(f"`windows` is no length: give {SHORTEST_WINDOW:g} seconds or more.")
    if file is None and (subtitles is not None or seconds is not None):
        raise bad("`subtitles` and `windows` are of a media file: give it as `file`.")
    if subtitles is not None and seconds is not None:
        raise bad("Give `subtitles` or `windows`, not both: each cuts the recording its own way.")
    transcribe = fields.get("transcribe", "").lower()
    if transcribe not in _SWITCH:
        raise bad("`transcribe` is true or false.")
    return Question(
        text=text if file is None or (text and text.strip()) else None, file=file, name=_label(name),
        subtitles=subtitles, windows=seconds, transcribe=_SWITCH[transcribe],
        abstain=_as_probability(_as_number(fields.get("abstain"))),
    )  # fmt: skip


def _as_probability(value: Any) -> float | None:
    """value: also what JSON holds in its place; a string that float() takes is one there too."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0.0 <= number <= 1.0:
        raise bad("`abstain` is no probability: give a number from 0 to 1.")
    return number


def _clean(text: str, limits: Limits) -> str:
    """The text without what no encoding knows (halves of surrogate pairs). Raises Refusal (413) for a long one."""
    if len(text) > limits.characters:
        raise Refusal(413, "too_long", f"The text has more than {limits.characters:,} characters.")
    return text.encode("utf-8", "replace").decode()


def _items(inputs: Any, limits: Limits) -> tuple[Item, ...]:
    if not isinstance(inputs, list) or not inputs:
        raise bad('"inputs" is no list of texts.')
    if len(inputs) > limits.texts:
        raise Refusal(413, "too_many", f"{len(inputs):,} texts: give {limits.texts:,} at most at once.")
    items = tuple(_item(given, str(i + 1), limits) for i, given in enumerate(inputs))
    characters = sum(len(item.text or "") for item in items)
    if characters > limits.all_characters:
        most = f"{limits.all_characters:,}"
        raise Refusal(413, "too_long", f"The texts have {characters:,} characters together: give {most} at most.")
    return items


def _item(given: Any, number: str, limits: Limits) -> Item:
    """A row that cannot be read says so itself: the others are answered."""
    id_, text = number, given
    if isinstance(given, dict):
        id_, text = given.get("id", number), given.get("text")
    if not isinstance(id_, str | int) or isinstance(id_, bool) or len(str(id_)) > LONGEST_ID:
        return Item(number, None, f"its id is no text of up to {LONGEST_ID} characters")
    id_ = str(id_).encode("utf-8", "replace").decode()
    if not isinstance(text, str):
        return Item(id_, None, 'it is neither a text nor {"id": ..., "text": ...}')
    try:
        return Item(id_, _clean(text, limits))
    except Refusal as refusal:
        return Item(id_, None, refusal.reason)


def _as_number(value: str | None) -> float | None:
    """Of a field that was not left empty; nan for what is no number as JSON writes them."""
    if not value:
        return None
    return float(value) if _NUMBER.fullmatch(value) else math.nan


def _label(name: str) -> str:
    """The last part of a file's name, as far as it can be printed; never used as a path."""
    last = name.replace("\\", "/").rpartition("/")[2].encode("utf-8", "replace").decode()
    kept = "".join(c for c in last if c.isprintable()).strip(" .")[:_LONGEST_NAME]
    return kept or "recording"
