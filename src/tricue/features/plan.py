"""What a run has to read: the store's key of every cue of every utterance, and the jobs for what no store has."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.filesize import decimal

from tricue.device import cores
from tricue.features.extractors import Extractor
from tricue.features.media import MediaError, content_digest, probe
from tricue.features.progress import Bar
from tricue.features.store import Store
from tricue.features.text import Spoken
from tricue.features.worker import Job, Source, file_state
from tricue.types import Cue, Fault, Utterance

MEDIA_BATCH, TEXT_BATCH = 8, 256  # jobs that are encoded and written together: a kill loses at most these
_PROBED = 20  # files whose headers tell how long clips are, for the estimate
_BYTES = 2  # of a float16
_CHARACTERS_PER_TOKEN = 4.0


@dataclass
class Plan:
    """Stores of the cues, keys of their utterances, and the work that is left."""

    stores: dict[Cue, Store]
    keys: dict[Cue, dict[str, str]]  # cue -> utterance id -> key of the store
    jobs: list[Job] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)  # files that cannot even be looked at

    def batches(self, part_of: Mapping[str, int] | None = None) -> list[list[Job]]:
        """Texts of like length together, then clips in their order; part_of: utterance id -> number of its part, and
        the parts one after another."""
        parts: dict[int, list[Job]] = defaultdict(list)
        for job in self.jobs:
            parts[part_of[job.id] if part_of else 0].append(job)
        batches = []
        for _, jobs in sorted(parts.items()):
            texts = sorted((job for job in jobs if job.spoken), key=lambda job: len(_whole(job.spoken)))
            clips = [job for job in jobs if job.files]
            batches += [*_split(texts, TEXT_BATCH), *_split(clips, MEDIA_BATCH)]
        return batches


def make_plan(
    utterances: Sequence[Utterance],
    spoken: Mapping[str, Spoken | None],
    extractors: Mapping[Cue, Extractor],
    root: Path,
    bar: Bar,
) -> Plan:
    """spoken: utterance id -> its words with their context. Opens (and checks) the store of each extractor.

    Raises InputError where a store cannot be written.
    """
    stores = {
        cue: Store(root, cue, e.name, {"version": e.version, **e.settings}) for cue, e in extractors.items()
    }
    plan = Plan(stores, {cue: {} for cue in stores})
    asked: set[tuple[Cue, str]] = set()

    def lacks(cue: Cue, id_: str, key: str) -> bool:
        """Whether nobody has or asks for this key yet; notes whose it is."""
        plan.keys[cue][id_] = key
        new = key not in stores[cue] and (cue, key) not in asked
        asked.add((cue, key))
        return new

    if "text" in stores:
        for id_, words in spoken.items():
            if words is not None and lacks(
                "text", id_, key := _digest(words.text, words.prefix, *words.context)
            ):
                plan.jobs.append(Job(id_, {"text": key}, spoken=words))
    cues: list[Cue] = [cue for cue in ("audio", "video") if cue in stores]
    paths = list(dict.fromkeys(path for row in utterances for _, path in _files(row, cues)))
    states = {path: file_state(path) for path in paths}  # before the digests: a change meanwhile is noticed
    digests = _content_digests(paths, bar)
    for utterance in utterances:
        files, keys = {}, {}
        for cue, path in _files(utterance, cues):
            start, end = utterance.span(cue)
            half = (utterance.crop,) if cue == "video" and utterance.crop else ()
            digest = digests[path]
            if isinstance(digest, Exception):  # not stored: the file may be there in the next run
                reason = getattr(digest, "strerror", None) or digest
                plan.faults.append(Fault(utterance.id, cue, f"{path}: {reason}"))
            elif lacks(cue, utterance.id, key := _digest(digest, start, end, *half)):
                files[cue], keys[cue] = Source(path, start, end, states[path]), key
        if files:
            plan.jobs.append(Job(utterance.id, keys, files=files, crop=utterance.crop))
    return plan


def size_line(plan: Plan, extractors: Mapping[Cue, Extractor]) -> str:
    """What is to be read, what is there already, and about how much room the features will take."""
    wanted = {cue: sum(cue in job.keys for job in plan.jobs) for cue in plan.stores}
    stored = {cue: len(set(plan.keys[cue].values())) - wanted[cue] for cue in plan.stores}
    todo = ", ".join(f"{cue} {count:,}" for cue, count in wanted.items())
    there = ", ".join(f"{cue} {count:,}" for cue, count in stored.items() if count)
    states = {source.path: source.state for job in plan.jobs for source in (job.files or {}).values()}
    media = sum(state[0] for state in states.values() if state is not None)
    return (
        f"To extract: {todo}" + (f" (already there: {there})" if there else "") + "; "
        + (f"{decimal(media)} of media to read, " if media else "")
        + f"about {decimal(round(_estimate(plan, extractors)))} of features."
    )  # fmt: skip


def _estimate(plan: Plan, extractors: Mapping[Cue, Extractor]) -> float:
    """Bytes in the store: time steps times widths. Lengths of whole files are taken from a few headers."""
    sources = [source for job in plan.jobs for source in set((job.files or {}).values())]
    known = [s.end - (s.start or 0.0) for s in sources if s.end is not None]
    probed = [
        _seconds(s.path) for s in [s for s in sources if s.end is None][:: max(1, len(sources) // _PROBED)]
    ]
    lengths = [*known, *(seconds for seconds in probed if seconds is not None)]
    seconds = sum(lengths) / len(lengths) if lengths else 0.0
    total = 0.0
    for job in plan.jobs:
        for cue in job.keys:
            width = sum(extractors[cue].dims)
            config = getattr(extractors[cue], "config", None)
            if cue == "text":
                steps = len(job.spoken.text) / _CHARACTERS_PER_TOKEN if job.spoken else 0.0
            elif cue == "audio":
                steps = min(seconds, config.max_seconds) * config.rate_hz if config else 0.0
            else:
                steps = config.frames if config else 0.0
            total += steps * width * _BYTES
    return total


def _seconds(path: Path) -> float | None:
    try:
        return probe(path).seconds
    except MediaError:  # told when it is read
        return None


def _content_digests(paths: Sequence[Path], bar: Bar) -> dict[Path, str | Exception]:
    """The digest of every file, or why it cannot be looked at. Several at once: disks and SHA-256 need no lock."""

    def digest(path: Path) -> str | Exception:
        try:
            return content_digest(path)
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
            return error

    bar.begin("Looking at files", len(paths))
    found: dict[Path, str | Exception] = {}
    with ThreadPoolExecutor(cores()) as pool:
        for path, result in zip(paths, pool.map(digest, paths), strict=True):
            found[path] = result
            bar.advance()
    return found


def _files(utterance: Utterance, cues: Sequence[Cue]) -> Iterator[tuple[Cue, Path]]:
    for cue in cues:
        path = utterance.audio if cue == "audio" else utterance.video
        if path is not None:
            yield cue, path


def _whole(spoken: Spoken | None) -> str:
    return "" if spoken is None else " ".join([*spoken.context, spoken.prefix, spoken.text])


def _split(jobs: list[Job], size: int) -> list[list[Job]]:
    return [jobs[i : i + size] for i in range(0, len(jobs), size)]


def _digest(*parts: str | float | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
