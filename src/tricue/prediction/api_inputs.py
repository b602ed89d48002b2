"""What Python's `predict` and `predict_batch` take: words, files, signals in memory, mappings, rows of a data frame."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricue.files.atomic import is_file
from tricue.modalities.requests import Opener
from tricue.prediction.inputs import is_missing_file
from tricue.prediction.memory_inputs import is_missing, read_source
from tricue.registry import MODALITIES
from tricue.types import InputError, ModalityName, Utterance

_TRIPLE = ("text", "audio", "video")
_TIMES = ("start", "end")
Source = Path | Opener  # a file, or what is in memory
Sources = dict[ModalityName, str | Source]  # of one utterance: its words, and where its other modalities are
Triple = tuple[str | None, Source | None, Source | None]


@dataclass(frozen=True)
class Asked:
    """Inputs as utterances, by their position."""

    rows: list[Utterance]
    memory: dict[int, dict[ModalityName, Opener]]  # signals that are not in files
    faults: dict[int, str]  # what is wrong with an input whose row is empty for it


def as_utterances(inputs: Iterable[Any]) -> Asked:
    """The inputs as utterances with the ids 1, 2, ...

    Raises TypeError for one input in place of several, InputError for a frame without any of the columns.
    """
    asked = Asked([], {}, {})
    for i, item in enumerate(_items(inputs)):
        try:
            row, signals = (item, {}) if isinstance(item, Utterance) else _utterance(item, str(i + 1))
            if signals:
                asked.memory[i] = signals
        except InputError as error:
            row = Utterance(str(i + 1))
            asked.faults[i] = str(error)
        asked.rows.append(row)
    return asked


def preprocess(item: Any) -> Triple:
    """What `predict` takes, from words, a media file, a mapping with `text`, `audio`, `video`, or a triple.

    A media file, or its bytes, serves as audio and video. None, NaN and their like are missing. Raises InputError for
    anything else.
    """
    if isinstance(item, Utterance):
        return item.text, item.audio, item.video
    sources: dict[ModalityName, Any] = _read_sources(item)
    if others := sorted(set(sources) - set(_TRIPLE)):
        raise InputError(f"preprocess gives text, audio and video, not {others[0]}: give the mapping to predict_batch.")
    text, audio, video = map(sources.get, _TRIPLE)
    return text, audio, video


def _read_sources(item: Any) -> Sources:
    """What is there of the modalities, of anything that `preprocess` takes; a mapping may name those of plugins."""
    if isinstance(item, str) and not is_file(Path(item)):
        if is_missing_file(item):
            raise InputError(f"There is no file {_short(item)}.")
        return {"text": item}
    if isinstance(item, str | Path | bytes | bytearray):
        item = {"audio": item, "video": item}
    elif isinstance(item, tuple) and len(item) == len(_TRIPLE):
        item = dict(zip(_TRIPLE, item, strict=True))
    elif is_missing(item):
        item = {}
    if not isinstance(item, Mapping):
        wanted = f"words, a media file, a mapping or ({', '.join(_TRIPLE)})"
        raise InputError(f"preprocess wants {wanted}; got {_short(repr(item))}.")
    if unknown := set(item) - set(MODALITIES):
        known = ", ".join(MODALITIES)
        raise InputError(f"preprocess knows {known}; got {', '.join(sorted(map(_short, unknown)))}.")
    found = {m: _text(item[m]) if m == "text" else read_source(m, item[m]) for m in MODALITIES if m in item}
    return {modality: source for modality, source in found.items() if source is not None}


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
    used = {known: name for known, name in found if known in (*MODALITIES, *_TIMES)}
    if len(used) < sum(known in used for known, _ in found):
        raise InputError(f"The frame has a column twice ({_short(', '.join(map(str, names)))}): name each once.")
    if not set(used) & set(MODALITIES):
        raise InputError(
            f"The frame has the columns {_short(', '.join(map(str, names)))}; predict_batch reads "
            f"{', '.join(MODALITIES)}. "
            'Rename one: frame.rename(columns={"...": "text"}).'
        )
    columns = {name: list(_column(frame, column)) for name, column in used.items()}
    return [_Row(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(frame: Any, name: Any) -> Any:
    """Its values as Python's own: Arrow's are boxed."""
    column = frame[name]
    return column.to_pylist() if hasattr(column, "to_pylist") else column


class _Row(dict[str, Any]):
    """A row of a frame: it may have times."""


def _utterance(item: Any, id_: str) -> tuple[Utterance, dict[ModalityName, Opener]]:
    start, end = (_seconds(n, item.pop(n, None)) for n in _TIMES) if isinstance(item, _Row) else (None, None)
    sources = _read_sources(item)
    signals = {modality: source for modality, source in sources.items() if isinstance(source, Opener)}
    files = {modality: source for modality, source in sources.items() if isinstance(source, Path)}
    text, audio, video = sources.get("text"), files.pop("audio", None), files.pop("video", None)
    assert not isinstance(text, Path | Opener)
    return Utterance(id_, text, audio, video, start=start, end=end, files=tuple(files.items())), signals


def _text(value: Any) -> str | None:
    if is_missing(value):
        return None
    if not isinstance(value, str):
        raise InputError(f"text {_short(repr(value))}: {type(value).__name__} is no text; give a str.")
    return value


def _seconds(name: str, value: Any) -> float | None:
    if is_missing(value) or value == "":
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
