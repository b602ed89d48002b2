"""What is given to Python's `predict` and `predict_batch`: words, files, mappings, triples, rows of a data frame."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tricue.files import is_file
from tricue.inputs import is_missing_file
from tricue.types import InputError, Utterance

_CUES = ("text", "audio", "video")
_TIMES = ("start", "end")
_MISSING = ("NAType", "NaTType")  # of pandas, which need not be installed
Triple = tuple[str | None, Path | None, Path | None]


def as_utterances(inputs: Iterable[Any]) -> tuple[list[Utterance], dict[int, str]]:
    """The inputs as utterances with the ids 1, 2, ..., and what is wrong with those that are empty for it, by position.

    Raises TypeError for one input in place of several, InputError for a frame without any of the columns.
    """
    found, faults = [], {}
    for i, item in enumerate(_items(inputs)):
        id_ = str(i + 1)
        try:
            found.append(item if isinstance(item, Utterance) else _utterance(item, id_))
        except InputError as error:
            found.append(Utterance(id_))
            faults[i] = str(error)
    return found, faults


def preprocess(item: Any) -> Triple:
    """What `predict` takes, from words, a media file, a mapping with `text`, `audio`, `video`, or a triple.

    A media file serves as audio and video. None, NaN and their like are missing. Raises InputError for anything else.
    """
    if isinstance(item, Utterance):
        return item.text, item.audio, item.video
    if isinstance(item, Path):
        return None, item, item
    if isinstance(item, str):
        if is_file(Path(item)):
            return None, Path(item), Path(item)
        if is_missing_file(item):
            raise InputError(f"There is no file {_short(item)}.")
        return item, None, None
    if _is_missing(item):
        return None, None, None
    if isinstance(item, Mapping):
        unknown = set(item) - set(_CUES)
        if unknown:
            raise InputError(
                f"preprocess knows text, audio and video; got {', '.join(sorted(map(_short, unknown)))}."
            )
        item = tuple(item.get(cue) for cue in _CUES)
    if not isinstance(item, tuple) or len(item) != 3:
        raise InputError(
            f"preprocess wants words, a media file, a mapping or (text, audio, video); got {_short(repr(item))}."
        )
    text, audio, video = item
    return _text(text), _path("audio", audio), _path("video", video)


def _items(inputs: Any) -> Iterable[Any]:
    """The inputs one by one; of a frame (pandas, Polars, Arrow) its rows as utterances' fields."""
    one = isinstance(inputs, str | bytes | bytearray | Mapping | os.PathLike | Utterance)
    columns = getattr(inputs, "column_names", getattr(inputs, "columns", None))
    if columns is not None and not one:
        return _rows(inputs, list(columns))
    if one or not isinstance(inputs, Iterable):
        raise TypeError(
            f"predict_batch takes a list of inputs or a data frame, not one {type(inputs).__name__}: "
            "give [input], or use predict()."
        )
    return inputs


def _rows(frame: Any, names: list[Any]) -> list[Any]:
    found = [(str(name).strip().lower(), name) for name in names]
    used = {known: name for known, name in found if known in (*_CUES, *_TIMES)}
    if len(used) < sum(known in used for known, _ in found):
        raise InputError(
            f"The frame has a column twice ({_short(', '.join(map(str, names)))}): name each once."
        )
    if not set(used) & set(_CUES):
        raise InputError(
            f"The frame has the columns {_short(', '.join(map(str, names)))}; predict_batch reads text, audio and "
            'video. Rename one: frame.rename(columns={"...": "text"}).'
        )
    columns = {name: list(_column(frame, column)) for name, column in used.items()}
    return [_Row(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(frame: Any, name: Any) -> Any:
    """Its values as Python's own: Arrow's are boxed."""
    column = frame[name]
    return column.to_pylist() if hasattr(column, "to_pylist") else column


class _Row(dict[str, Any]):
    """A row of a frame: it may have times."""


def _utterance(item: Any, id_: str) -> Utterance:
    start, end = (_seconds(n, item.pop(n, None)) for n in _TIMES) if isinstance(item, _Row) else (None, None)
    return Utterance(id_, *preprocess(item), start=start, end=end)


def _is_missing(value: Any) -> bool:
    number = isinstance(value, float) and math.isnan(value)  # NumPy's, too
    return value is None or number or type(value).__name__ in _MISSING


def _text(value: Any) -> str | None:
    if _is_missing(value):
        return None
    if not isinstance(value, str):
        raise InputError(f"text {_short(repr(value))}: {type(value).__name__} is no text; give a str.")
    return value


def _path(cue: str, value: Any) -> Path | None:
    if _is_missing(value) or value == "":
        return None
    if not isinstance(value, str | os.PathLike):
        raise InputError(
            f"{cue} {_short(repr(value))}: {type(value).__name__} is no path; give a str or Path."
        )
    return Path(os.fsdecode(value))


def _seconds(name: str, value: Any) -> float | None:
    if _is_missing(value) or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} {_short(repr(value))}: no number; give seconds.") from error
    if not math.isfinite(seconds) or seconds < 0:
        raise InputError(f"{name} {seconds:g}: give seconds from 0.")
    return seconds


def _short(text: Any) -> str:
    told = str(text)
    return told if len(told) <= 80 else told[:79] + "…"
