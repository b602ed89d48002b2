"""From utterances to features: what the store lacks is decoded and encoded, then all is read from it."""

from __future__ import annotations

import logging
import os
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tricue.config import FeaturesConfig
from tricue.features.corruption import Corruption, with_damage
from tricue.features.engine import Engine, local_engine
from tricue.features.extractors import Extractor, make_extractors, precomputed_files
from tricue.features.plan import Plan, make_plan, size_line
from tricue.features.precomputed import Precomputed, read_precomputed
from tricue.features.progress import Bar
from tricue.features.store import Row
from tricue.features.text import HubText, Spoken, TokenText, with_context
from tricue.features.worker import Result, Worker
from tricue.files import user_cache
from tricue.types import Cue, Fault, InputError, Utterance, quoted

_LOG = logging.getLogger(__name__)
_FEW = 200  # jobs that need no announcement
AMISS = ("lacking", "wrong", "broken")  # of what `verify` counts


@dataclass(frozen=True)
class FeatureSet:
    """Features of a list of utterances, as training reads them."""

    arrays: dict[Cue, dict[str, np.ndarray]]  # utterance id -> (T, D), T >= 1; no entry: cue missing
    dims: dict[Cue, tuple[int, ...]]  # widths of the streams side by side: (speech, acoustic) or (D,)
    faults: list[Fault] = field(default_factory=list)  # cues that should be there and are not
    notes: list[Fault] = field(default_factory=list)  # of cues that are there (cut, damaged, one of two)
    without_face: dict[str, tuple[int, int]] = field(default_factory=dict)  # id -> frames, of how many


def default_store() -> Path:
    """TRICUE_STORE, else a folder in the user's cache."""
    if named := os.environ.get("TRICUE_STORE"):
        return Path(named).expanduser()
    return user_cache() / "features"


def extract(
    utterances: Sequence[Utterance],
    config: FeaturesConfig,
    cues: Sequence[Cue],
    store: Path,
    *,
    live_text: bool = False,
    among: Sequence[Utterance] | None = None,
    damage: Corruption | None = None,
    device: str = "cpu",
    workers: int | None = None,
    engine: Engine | None = None,
    progress: bool = True,
) -> FeatureSet:
    """Features of `cues` for every utterance that has them.

    live_text: text as (T, 2) int32 [token id, own?] for an encoder trained with the network, not stored.
    among: the rows whose turns text may read as context (by default the utterances themselves).
    damage: done to the signal of its cue before the extractor reads it; faults are then told in the set alone, not
    logged once more, and frames without a face are not counted.
    workers: processes on this machine, see `local_engine`; or another `engine` altogether.
    A cue that cannot be had is a Fault and a logged warning, never an error. Raises InputError where an
    encoder cannot be loaded or the store cannot be written.
    """
    (found,) = extract_in_parts(
        [utterances], config, cues, store, live_text=live_text, among=among, damage=damage, device=device,
        workers=workers, engine=engine, progress=progress,
    )  # fmt: skip
    return found


def extract_in_parts(
    parts: Sequence[Sequence[Utterance]],
    config: FeaturesConfig,
    cues: Sequence[Cue],
    store: Path,
    *,
    live_text: bool = False,
    among: Sequence[Utterance] | None = None,
    damage: Corruption | None = None,
    device: str = "cpu",
    workers: int | None = None,
    engine: Engine | None = None,
    progress: bool = True,
) -> Generator[FeatureSet]:
    """`extract` of each of the parts, in order, as soon as its features are there: those of later parts are read
    meanwhile. The parts are one list of utterances: they share context, ids and files."""
    utterances = [row for rows in parts for row in rows]
    extractors = make_extractors(config, cues, device, text_weights=not live_text)
    if damage is not None:
        extractors = with_damage(extractors, damage)
    given = _given(utterances, config, cues, extractors)
    spoken = _spoken(utterances, config, extractors, among)
    if live_text and (text := extractors.pop("text", None)):
        _tokens(spoken, text, given)
    with Bar(progress) as bar:
        plan = make_plan(utterances, spoken, extractors, store, bar) if extractors else Plan({}, {})
        if len(plan.jobs) > _FEW:
            _LOG.info(size_line(plan, extractors))
        given.faults.extend(plan.faults)
        faults, notes = _by_row(given.faults), _by_row(given.notes)
        passing: dict[tuple[Cue, str], str] = {}
        worker = Worker(extractors, device)
        for rows in _finished(plan, parts, passing, worker, engine or local_engine(workers), bar):
            found = _part(given, faults, notes, rows)
            _collect(plan, passing, rows, found)
            if damage is None:
                _report(found)
            yield found


def verify(
    utterances: Sequence[Utterance],
    config: FeaturesConfig,
    cues: Sequence[Cue],
    store: Path,
    *,
    progress: bool = True,
) -> dict[Cue, dict[str, int]]:
    """What the store holds of `cues`, read through to the last value; nothing is extracted.

    Per cue: `stored`, `without` (their file gives nothing, as is stored, too), `lacking`, `wrong` (values that are no
    numbers, or of another width) and `broken` shards, which are set aside for the next run to make again.
    """
    extractors = make_extractors(config, cues, "cpu")
    spoken = _spoken(utterances, config, extractors, None)
    with Bar(progress) as bar:
        plan = make_plan(utterances, spoken, extractors, store, bar)
        counts = {}
        for cue, keys in plan.keys.items():
            held = plan.stores[cue]
            rows = [held[key] for key in keys.values() if key in held]
            width = sum(extractors[cue].dims)
            bar.begin(f"Checking {cue}", len(rows))
            values = [bar.passed(row.values) for row in rows]
            counts[cue] = {
                "stored": sum(v is not None for v in values),
                "without": sum(v is None for v in values),
                "lacking": len(keys) - len(rows) + sum(fault.cue == cue for fault in plan.faults),
                "wrong": sum(
                    v is not None and not (v.shape[1] == width and np.isfinite(v).all()) for v in values
                ),
                "broken": len(held.broken),
            }
    return counts


def _given(
    utterances: Sequence[Utterance],
    config: FeaturesConfig,
    cues: Sequence[Cue],
    extractors: Mapping[Cue, Extractor],
) -> FeatureSet:
    """A set that holds the precomputed cues, and is still to be filled with the others."""
    paths = precomputed_files(config, cues)
    files = {cue: read_precomputed(path, cue) for cue, path in paths.items()}
    dims = {c: e.dims for c, e in extractors.items()} | {c: (file.dim,) for c, file in files.items()}
    found = FeatureSet({cue: {} for cue in cues}, {cue: dims[cue] for cue in cues})
    for cue, file in files.items():
        _take(cue, file, utterances, paths[cue], found)
    return found


def _take(cue: Cue, file: Precomputed, utterances: Sequence[Utterance], path: str, found: FeatureSet) -> None:
    """The rows of a precomputed file. Raises InputError where it has none of the ids."""
    if utterances and not any(u.id in file.arrays or u.id in file.empty for u in utterances):
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


def _spoken(
    utterances: Sequence[Utterance],
    config: FeaturesConfig,
    extractors: Mapping[Cue, Extractor],
    among: Sequence[Utterance] | None,
) -> dict[str, Spoken | None]:
    """Words with their context per id; empty where no extractor reads text."""
    if "text" not in extractors:
        return {}
    turns = config.text.context if isinstance(extractors["text"], HubText) else 0
    return {u.id: s for u, s in zip(utterances, with_context(utterances, turns, among), strict=True)}


def _tokens(texts: Mapping[str, Spoken | None], extractor: Extractor, found: FeatureSet) -> None:
    if not isinstance(extractor, HubText):
        raise InputError("Text can be fine-tuned with a hub encoder only; features.text.encoder is light.")
    text = TokenText(extractor)
    for id_, spoken in texts.items():
        if spoken is None:
            continue
        array, note = text.tokens(spoken)
        if len(array):
            found.arrays["text"][id_] = array
        if note is not None:
            (found.notes if len(array) else found.faults).append(Fault(id_, "text", note))


def _by_row(remarks: Sequence[Fault]) -> dict[str, list[Fault]]:
    found: dict[str, list[Fault]] = defaultdict(list)
    for remark in remarks:
        found[remark.id].append(remark)
    return found


def _part(
    given: FeatureSet,
    faults: Mapping[str, list[Fault]],
    notes: Mapping[str, list[Fault]],
    rows: Sequence[Utterance],
) -> FeatureSet:
    """What is given of some rows: a set that is still to be filled with what is extracted."""
    ids = dict.fromkeys(row.id for row in rows)
    arrays = {cue: {id_: held[id_] for id_ in ids if id_ in held} for cue, held in given.arrays.items()}
    own_faults, own_notes = (
        [remark for id_ in ids for remark in remarks.get(id_, ())] for remarks in (faults, notes)
    )
    return FeatureSet(arrays, given.dims, own_faults, own_notes)


def _finished(
    plan: Plan,
    parts: Sequence[Sequence[Utterance]],
    passing: dict[tuple[Cue, str], str],
    worker: Worker,
    engine: Engine,
    bar: Bar,
) -> Iterator[Sequence[Utterance]]:
    """Do the plan's jobs, each batch written as soon as it is there; the parts, each once all of it is there.

    passing: gets the reasons that may pass, by cue and key.
    """
    waiting = deque(parts)
    batches = plan.batches({u.id: i for i, rows in enumerate(parts) for u in rows})
    bar.begin("Extracting", len(plan.jobs))
    if batches:
        with closing(engine(worker, batches)) as done:  # its processes end with the loop, however that ends
            for results in done:
                _keep(results, plan, passing)
                bar.advance(len({result.id for result in results}))
                while len(waiting) > 1 and _is_there(plan, passing, waiting[0]):
                    yield waiting.popleft()
    for store in plan.stores.values():
        store.merge()
    yield from waiting


def _is_there(plan: Plan, passing: Mapping[tuple[Cue, str], str], rows: Sequence[Utterance]) -> bool:
    keys = ((cue, own[row.id]) for cue, own in plan.keys.items() for row in rows if row.id in own)
    return all((cue, key) in passing or key in plan.stores[cue] for cue, key in keys)


def _keep(results: Sequence[Result], plan: Plan, passing: dict[tuple[Cue, str], str]) -> None:
    """Write a batch: one shard per cue."""
    rows: dict[Cue, list[tuple[str, Row]]] = defaultdict(list)
    for result in results:
        if result.passing:
            passing[result.cue, result.key] = result.row.note or ""
        else:
            rows[result.cue].append((result.key, result.row))
    for cue, own in rows.items():
        plan.stores[cue].add(own)


def _collect(
    plan: Plan, passing: Mapping[tuple[Cue, str], str], rows: Sequence[Utterance], found: FeatureSet
) -> None:
    """Read what is stored of some rows into `found`."""
    ids = dict.fromkeys(row.id for row in rows)
    for cue, keys in plan.keys.items():
        for id_ in (id_ for id_ in ids if id_ in keys):
            key = keys[id_]
            row = Row(None, passing[cue, key]) if (cue, key) in passing else plan.stores[cue][key]
            if row.values is not None:
                found.arrays[cue][id_] = row.values
            if row.note is not None:
                (found.faults if row.values is None else found.notes).append(Fault(id_, cue, row.note))
            if row.missed and row.values is not None:
                found.without_face[id_] = (row.missed, len(row.values))


def _report(found: FeatureSet) -> None:
    for fault in found.faults:
        _LOG.warning("%s: %s is missing: %s", quoted(fault.id), fault.cue, fault.reason)
    told: dict[tuple[Cue, str], list[str]] = defaultdict(
        list
    )  # all segments of a recording have the same to say
    for note in found.notes:
        told[note.cue, note.reason].append(note.id)
    for (cue, reason), ids in told.items():
        more = f" and {len(ids) - 1:,} more" if len(ids) > 1 else ""
        _LOG.warning("%s%s: note on %s: %s", quoted(ids[0]), more, cue, reason)
    if found.without_face:
        missed = sum(frames for frames, _ in found.without_face.values())
        total = sum(map(len, found.arrays["video"].values()))
        _LOG.warning(
            "No face in %d of %d key frames (%.1f%%, in %d clips): the whole frame stands in.",
            missed, total, 100 * missed / total, len(found.without_face),
        )  # fmt: skip
