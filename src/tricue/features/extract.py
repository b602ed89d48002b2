"""From utterances to features: what the store lacks is decoded and encoded, then everything is read from it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tricue.config import Config, FeaturesConfig
from tricue.features.store import Row, Store
from tricue.features.text import HubText, TokenText, text_extractor, with_context
from tricue.types import Cue, Fault, InputError, Utterance

_LOG = logging.getLogger(__name__)
_SHARD = 256  # utterances between writes: a kill loses at most these
_NO_WORDS = "its text holds no word"


class Extractor(Protocol):
    """Frozen: a pure function of the signal and its settings, in two stages (docs/architecture.md)."""

    version: int  # raised by hand when the values change

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def dims(self) -> tuple[int, ...]: ...
    def prepare(self, signal: Any) -> Any: ...
    def encode(self, prepared: Sequence[Any]) -> list[np.ndarray]: ...


@dataclass(frozen=True)
class FeatureSet:
    """Features of a list of utterances, as training reads them."""

    arrays: dict[Cue, dict[str, np.ndarray]]  # utterance id -> (T, D) float16, T >= 1; no entry: cue missing
    dims: dict[Cue, tuple[int, ...]]  # widths of the streams side by side: (speech, acoustic) or (D,)
    faults: list[Fault]  # cues that should be there and are not
    notes: list[Fault] = field(default_factory=list)  # cues that are there but not whole (cut, damaged)


def default_store() -> Path:
    """TRICUE_STORE, else a folder in the user's cache."""
    if named := os.environ.get("TRICUE_STORE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tricue" / "features"


def extract(
    utterances: Sequence[Utterance],
    config: FeaturesConfig,
    cues: Sequence[Cue],
    store: Path,
    *,
    live_text: bool = False,
    device: str = "cpu",
    workers: int | None = None,
    progress: bool = True,
) -> FeatureSet:
    """Features of `cues` for every utterance that has them.

    live_text: text as (T, 2) int32 [token id, own?] for an encoder trained with the network, not stored.
    workers: processes that decode media; None is one per core, 0 or 1 is this process.
    A cue that cannot be had is a Fault (and a logged warning), never an error; InputError where an encoder
    cannot be loaded or the store cannot be written.
    """
    found = FeatureSet({cue: {} for cue in cues}, {}, [])
    if "text" in cues:
        extractor = text_extractor(config.text, device)
        found.dims["text"] = extractor.dims
        if live_text:
            _tokens(utterances, extractor, config.text.context, found)
        else:
            _text(utterances, extractor, config.text.context, store, found)
    for fault in found.faults:
        _LOG.warning("%s: %s is missing: %s", fault.id, fault.cue, fault.reason)
    return found


def _tokens(utterances: Sequence[Utterance], extractor: Any, turns: int, found: FeatureSet) -> None:
    if not isinstance(extractor, HubText):
        raise InputError("Text can be fine-tuned with a hub encoder only; features.text.encoder is light.")
    text = TokenText(extractor)
    for utterance, spoken in zip(utterances, with_context(utterances, turns), strict=True):
        if spoken is None:
            continue
        array = text.tokens(spoken)
        if len(array):
            found.arrays["text"][utterance.id] = array
        else:
            found.faults.append(Fault(utterance.id, "text", _NO_WORDS))


def _text(
    utterances: Sequence[Utterance], extractor: Extractor, turns: int, root: Path, found: FeatureSet
) -> None:
    store = open_store(root, "text", extractor)
    keys: dict[str, str] = {}
    missing: dict[str, Any] = {}
    for utterance, spoken in zip(utterances, with_context(utterances, turns), strict=True):
        if spoken is not None:
            content = json.dumps([spoken.text, spoken.prefix, *spoken.context])
            key = keys[utterance.id] = hashlib.sha256(content.encode()).hexdigest()[:32]
            if key not in store:
                missing[key] = spoken
    pending = list(missing.items())
    for i in range(0, len(pending), _SHARD):
        part = pending[i : i + _SHARD]
        vectors = extractor.encode([extractor.prepare(spoken) for _, spoken in part])
        store.add((key, as_row(array, _NO_WORDS)) for (key, _), array in zip(part, vectors, strict=True))
    _read("text", keys, store, found)


def _read(cue: Cue, keys: dict[str, str], store: Store, found: FeatureSet) -> None:
    for id_, key in keys.items():
        row = store[key]
        if row.values is not None:
            found.arrays[cue][id_] = row.values
        if row.note is not None:
            (found.faults if row.values is None else found.notes).append(Fault(id_, cue, row.note))


def open_store(root: Path, cue: Cue, extractor: Extractor) -> Store:
    return Store(root, cue, extractor.name, {"version": extractor.version, **extractor.settings})


def as_row(array: np.ndarray, empty: str, note: str | None = None) -> Row:
    """(T, D) float32 as it is stored; without a time step, or beyond float16, there is nothing but the reason."""
    if not len(array):
        return Row(None, empty)
    with np.errstate(over="ignore"):
        halved = array.astype(np.float16)
    if not np.isfinite(halved).all():
        return Row(None, "its features are not finite numbers")
    return Row(halved, note)
