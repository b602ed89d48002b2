"""From utterances to features: what the store lacks is decoded and encoded, then all is read from it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tricue.config import FeaturesConfig
from tricue.features import hub
from tricue.features.audio import HubAudio, audio_extractor
from tricue.features.media import content_digest
from tricue.features.precomputed import Precomputed, read_precomputed
from tricue.features.progress import Bar
from tricue.features.store import Row, Store
from tricue.features.text import HubText, Spoken, TokenText, text_extractor, with_context
from tricue.features.video import HubVideo, video_extractor
from tricue.features.workers import Job, Prepared, Source, prepare_all
from tricue.types import CUES, Cue, Fault, InputError, Utterance

_LOG = logging.getLogger(__name__)
_SHARD = 256  # utterances between writes: a kill loses at most these
_ENCODED_AT_ONCE: dict[Cue, int] = {"text": 256, "audio": 32, "video": 32}  # bounds memory, changes no value
_NO_WORDS = "its text holds no word"


class Extractor(Protocol):
    """Frozen: a pure function of the signal and its settings, in two stages (docs/architecture.md)."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...  # raised by hand when the values change
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def dims(self) -> tuple[int, ...]: ...
    def prepare(self, signal: Any) -> Any: ...
    def encode(self, prepared: Sequence[Any]) -> list[np.ndarray]: ...


@dataclass(frozen=True)
class FeatureSet:
    """Features of a list of utterances, as training reads them."""

    arrays: dict[Cue, dict[str, np.ndarray]]  # utterance id -> (T, D), T >= 1; no entry: cue missing
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
    among: Sequence[Utterance] | None = None,
    device: str = "cpu",
    workers: int | None = None,
    progress: bool = True,
) -> FeatureSet:
    """Features of `cues` for every utterance that has them.

    live_text: text as (T, 2) int32 [token id, own?] for an encoder trained with the network, not stored.
    among: the rows whose turns text may read as context (by default the utterances themselves).
    workers: processes that decode media; None is one per core (none for a few clips), 0 or 1 this process.
    A cue that cannot be had is a Fault and a logged warning, never an error. Raises InputError where an
    encoder cannot be loaded or the store cannot be written.
    """
    extractors = _extractors(config, cues, device, text_weights=not live_text)
    given = {cue: read_precomputed(path, cue) for cue, path in _precomputed(config, cues).items()}
    dims = {c: e.dims for c, e in extractors.items()} | {c: (file.dim,) for c, file in given.items()}
    found = FeatureSet({cue: {} for cue in cues}, {cue: dims[cue] for cue in cues}, [])
    for cue, file in given.items():
        _take(cue, file, utterances, config, found)
    with Bar(progress) as bar:
        if text := extractors.pop("text", None):
            turns = config.text.context if isinstance(text, HubText) else 0
            spoken = {
                u.id: s for u, s in zip(utterances, with_context(utterances, turns, among), strict=True)
            }
            if live_text:
                _tokens(spoken, text, found)
            else:
                _text(spoken, text, store, found, bar)
        if extractors:
            _media(utterances, extractors, store, found, workers, bar)
    for fault in found.faults:
        _LOG.warning("%s: %s is missing: %s", fault.id, fault.cue, fault.reason)
    for note in found.notes:
        _LOG.warning("%s: %s is not whole: %s", note.id, note.cue, note.reason)
    return found


def prefetch(config: FeaturesConfig, cues: Sequence[Cue] = CUES) -> dict[Cue, Path]:
    """Fetch the hub encoders of `cues` and load each once; gives their folders (`light` has none).

    Raises InputError where one cannot be had.
    """
    folders: dict[Cue, Path] = {}
    for cue, extractor in _extractors(config, cues, "cpu").items():
        if isinstance(extractor, HubText | HubAudio | HubVideo):
            hub.load_model(extractor.folder, "cpu")
            folders[cue] = extractor.folder
    return folders


def feature_dims(config: FeaturesConfig, cues: Sequence[Cue]) -> dict[Cue, tuple[int, ...]]:
    """Widths of the streams that each cue's features would have; of a text encoder only the settings are read.

    Raises InputError where one cannot be had.
    """
    dims = {c: e.dims for c, e in _extractors(config, cues, "cpu", text_weights=False).items()}
    given = {c: (read_precomputed(path, c).dim,) for c, path in _precomputed(config, cues).items()}
    return {cue: (dims | given)[cue] for cue in cues}


def _extractors(
    config: FeaturesConfig, cues: Sequence[Cue], device: str, text_weights: bool = True
) -> dict[Cue, Any]:
    make: dict[Cue, Callable[[], Extractor]] = {
        "text": lambda: text_extractor(config.text, device, text_weights),
        "audio": lambda: audio_extractor(config.audio, device),
        "video": lambda: video_extractor(config.video, device),
    }
    return {cue: make[cue]() for cue in cues if cue not in config.precomputed_cues()}


def _precomputed(config: FeaturesConfig, cues: Sequence[Cue]) -> dict[Cue, str]:
    return {cue: getattr(config, cue).precomputed for cue in config.precomputed_cues() if cue in cues}


def _take(
    cue: Cue, file: Precomputed, utterances: Sequence[Utterance], config: FeaturesConfig, found: FeatureSet
) -> None:
    """The rows of a precomputed file. Raises InputError where it has none of the ids."""
    known = [u.id for u in utterances if u.id in file.arrays or u.id in file.empty]
    path = getattr(config, cue).precomputed
    if utterances and not known:
        raise InputError(
            f"features.{cue}.precomputed={path}: it has none of the {len(utterances):,} ids, e.g. {utterances[0].id} "
            f"(it has {next(iter(file.arrays), 'nothing')} and the like). Give the file of this corpus."
        )
    for utterance in utterances:
        if utterance.id in file.arrays:
            found.arrays[cue][utterance.id] = file.arrays[utterance.id]
        else:
            reason = "are zeros alone" if utterance.id in file.empty else "lack this id"
            found.faults.append(Fault(utterance.id, cue, f"the precomputed features {reason}"))


def _tokens(texts: Mapping[str, Spoken | None], extractor: Extractor, found: FeatureSet) -> None:
    if not isinstance(extractor, HubText):
        raise InputError("Text can be fine-tuned with a hub encoder only; features.text.encoder is light.")
    text = TokenText(extractor)
    for id_, spoken in texts.items():
        if spoken is None:
            continue
        array = text.tokens(spoken)
        if len(array):
            found.arrays["text"][id_] = array
        else:
            found.faults.append(Fault(id_, "text", _NO_WORDS))


def _text(
    texts: Mapping[str, Spoken | None], extractor: Extractor, root: Path, found: FeatureSet, bar: Bar
) -> None:
    shelf = _Shelf(root, "text", extractor)
    keys: dict[str, str] = {}
    wanted = {}
    for id_, spoken in texts.items():
        if spoken is not None:
            key = keys[id_] = _digest(spoken.text, spoken.prefix, *spoken.context)
            if shelf.wants(key):
                wanted[key] = spoken
    bar.begin("Reading text", len(wanted))
    for key, spoken in wanted.items():
        shelf.put(key, Prepared(extractor.prepare(spoken)))
        bar.advance()
    shelf.finish(keys, found)


def _media(
    utterances: Sequence[Utterance],
    extractors: dict[Cue, Any],
    root: Path,
    found: FeatureSet,
    workers: int | None,
    bar: Bar,
) -> None:
    shelves = {cue: _Shelf(root, cue, extractor) for cue, extractor in extractors.items()}
    keys: dict[Cue, dict[str, str]] = {cue: {} for cue in extractors}
    jobs: list[Job] = []
    for utterance in utterances:
        files = {}
        for cue in extractors:
            path = utterance.audio if cue == "audio" else utterance.video
            if path is None:
                continue
            start, end = utterance.span(cue)
            half = (utterance.crop,) if cue == "video" and utterance.crop else ()
            try:
                key = _digest(content_digest(path), start, end, *half)
            except (OSError, ValueError) as error:  # not stored: the file may be there in the next run
                reason = getattr(error, "strerror", None) or error  # ValueError: a name with a NUL in it
                found.faults.append(Fault(utterance.id, cue, f"{path}: {reason}"))
                continue
            keys[cue][utterance.id] = key
            if shelves[cue].wants(key):
                files[cue] = Source(path, start, end)
        if files:
            jobs.append(Job(utterance.id, files, utterance.crop))
    bar.begin("Reading clips", len(jobs))
    for job, prepared in zip(jobs, prepare_all(jobs, extractors, workers), strict=True):
        for cue, signal in prepared.items():
            shelves[cue].put(keys[cue][job.id], signal)
        bar.advance()
    for cue, shelf in shelves.items():
        shelf.finish(keys[cue], found)


class _Shelf:
    """One cue on its way into the store: signals are encoded together and written a shard at a time."""

    def __init__(self, root: Path, cue: Cue, extractor: Extractor) -> None:
        self.cue, self.extractor = cue, extractor
        self.store = Store(root, cue, extractor.name, {"version": extractor.version, **extractor.settings})
        self.asked: set[str] = set()
        self.signals: list[tuple[str, Prepared]] = []
        self.rows: list[tuple[str, Row]] = []
        self.passing: dict[str, str] = {}  # key -> why not now; never stored

    def wants(self, key: str) -> bool:
        """Whether a signal is neither stored nor already asked for; asks for it."""
        new = key not in self.store and key not in self.asked
        self.asked.add(key)
        return new

    def put(self, key: str, prepared: Prepared) -> None:
        if prepared.passing:
            self.passing[key] = prepared.note or ""
        elif prepared.signal is None:
            self.rows.append((key, Row(None, prepared.note)))
        else:
            self.signals.append((key, prepared))
        if len(self.signals) >= _ENCODED_AT_ONCE[self.cue]:
            self._encode()
        if len(self.rows) >= _SHARD:
            self._write()

    def finish(self, keys: dict[str, str], found: FeatureSet) -> None:
        """Write what is left and read the row of every utterance (id -> key) into `found`."""
        self._encode()
        self._write()
        for id_, key in keys.items():
            row = Row(None, self.passing[key]) if key in self.passing else self.store[key]
            if row.values is not None:
                found.arrays[self.cue][id_] = row.values
            if row.note is not None:
                (found.faults if row.values is None else found.notes).append(Fault(id_, self.cue, row.note))

    def _encode(self) -> None:
        if not self.signals:
            return
        arrays = self.extractor.encode([prepared.signal for _, prepared in self.signals])
        for (key, prepared), array in zip(self.signals, arrays, strict=True):
            self.rows.append((key, _as_row(array, prepared.note)))
        self.signals.clear()

    def _write(self) -> None:
        self.store.add(self.rows)
        self.rows.clear()


def _as_row(array: np.ndarray, note: str | None) -> Row:
    """(T, D) float32 as it is stored; the reason alone where it has no time step or exceeds float16."""
    if not len(array):
        return Row(None, _NO_WORDS)  # sound and pictures have at least one step
    with np.errstate(over="ignore"):
        halved = array.astype(np.float16)
    if not np.isfinite(halved).all():
        return Row(None, "its features are not finite numbers of 16 bits")
    return Row(halved, note)


def _digest(*parts: str | float | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
