"""What a run has to read: the key of every modality of every utterance, and the jobs for what is not there yet."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from rich.filesize import decimal

from tricue.device import cores
from tricue.extractors.choice import Extractor, row_width
from tricue.features.store import Row, Store
from tricue.features.worker import Job
from tricue.modalities.requests import KeyPart, Opener, Request
from tricue.progress import Bar
from tricue.types import Fault, ModalityName

Requests = Mapping[ModalityName, Mapping[str, Request]]  # modality -> utterance id -> what is to be read
Kind = type[Opener]

_PROBED = 20  # requests of a modality that are looked at for the estimate
_BYTES = 2  # of a float16


class Rows(dict[str, Row]):
    """In place of a store: rows that are kept as long as they are needed."""

    def add(self, rows: Iterable[tuple[str, Row]]) -> None:
        self.update(rows)

    def merge(self) -> None:
        """Nothing: there are no shards."""


@dataclass
class Plan:
    """What each modality has, keys of the utterances in it, and the work that is left."""

    held: Mapping[ModalityName, Store | Rows]
    keys: dict[ModalityName, dict[str, str]]  # modality -> utterance id -> key
    jobs: list[Job] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)  # sources that cannot even be looked at

    def batches(self, part_of: Mapping[str, int] | None = None) -> list[list[Job]]:
        """Openers of a kind and of like length together; part_of: utterance id -> number of its part, and the parts one
        after another."""
        parts: dict[tuple[int, int], list[Job]] = defaultdict(list)
        kinds: dict[Kind, int] = {}
        for job in self.jobs:
            kind = kinds.setdefault(_kind(job), len(kinds))
            parts[part_of[job.id] if part_of else 0, kind].append(job)
        batches = []
        for _, jobs in sorted(parts.items()):
            jobs.sort(key=lambda job: job.length)
            size = _kind(jobs[0]).batch_size
            batches += [jobs[i : i + size] for i in range(0, len(jobs), size)]
        return batches


def make_plan(requests: Requests, held: Mapping[ModalityName, Store | Rows], bar: Bar) -> Plan:
    """held: what is there already, per modality; a source is looked at for its key where one of them is a store."""
    plan = Plan(held, {modality: {} for modality in requests})
    openers = dict.fromkeys(request.opener for own in requests.values() for request in own.values())
    located = _locate(list(openers), any(isinstance(own, Store) for own in held.values()), bar)
    numbers: dict[Request, str] = {}
    asked: set[tuple[ModalityName, str]] = set()
    jobs: dict[tuple[Kind, str], dict[ModalityName, tuple[str, Request]]] = defaultdict(dict)
    for id_ in dict.fromkeys(id_ for own in requests.values() for id_ in own):
        for modality, own in requests.items():
            if id_ not in own:
                continue
            request, (opener, parts) = own[id_], located[own[id_].opener]
            if isinstance(opener, Exception):  # not stored: the file may be there in the next run
                reason = getattr(opener, "strerror", None) or opener
                plan.faults.append(Fault(id_, modality, f"{request.opener}: {reason}"))
                continue
            view = () if request.view is None else (request.view,)
            key = numbers.setdefault(request, str(len(numbers))) if parts is None else _digest(*parts, *view)
            plan.keys[modality][id_] = key
            if key not in held[modality] and (modality, key) not in asked:
                asked.add((modality, key))
                jobs[type(opener), id_][modality] = key, replace(request, opener=opener)
    for (_, id_), wanted in jobs.items():
        keys = {modality: key for modality, (key, _) in wanted.items()}
        plan.jobs.append(Job(id_, keys, {modality: request for modality, (_, request) in wanted.items()}))
    return plan


def size_line(plan: Plan, extractors: Mapping[ModalityName, Extractor]) -> str:
    """What is to be read, what is there already, and about how much room the features will take."""
    wanted = {modality: sum(modality in job.keys for job in plan.jobs) for modality in plan.held}
    stored = {modality: len(set(plan.keys[modality].values())) - wanted[modality] for modality in plan.held}
    todo = ", ".join(f"{modality} {count:,}" for modality, count in wanted.items())
    there = ", ".join(f"{modality} {count:,}" for modality, count in stored.items() if count)
    media = sum(dict(r.opener.size for job in plan.jobs for r in job.requests.values()).values())
    return (
        f"To extract: {todo}" + (f" (already there: {there})" if there else "") + "; "
        + (f"{decimal(media)} of media to read, " if media else "")
        + f"about {decimal(round(_estimate(plan, extractors)))} of features."
    )  # fmt: skip


def _estimate(plan: Plan, extractors: Mapping[ModalityName, Extractor]) -> float:
    """Bytes of the features: time steps times dimensions, from a few requests of each modality."""
    total = 0.0
    for modality, extractor in extractors.items():
        asked = [job.requests[modality] for job in plan.jobs if modality in job.requests]
        few = asked[:: max(1, len(asked) // _PROBED)]
        steps = sum(request.opener.estimate_steps(modality, extractor) for request in few)
        total += steps / max(1, len(few)) * len(asked) * row_width(extractor) * _BYTES
    return total


Located = tuple[Opener | Exception, tuple[KeyPart, ...] | None]  # the parts of its key, where one is wanted


def _locate(openers: Sequence[Opener], keyed: bool, bar: Bar) -> dict[Opener, Located]:
    """Each opener as it is to be opened, or why not. Digests of files several at once: disks and SHA-256 need no
    lock."""

    def locate(opener: Opener) -> Located:
        try:
            there = opener.locate()  # before the digest: a change meanwhile is noticed
            return there, there.key_parts() if keyed else None
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
            return error, None

    media = [opener for opener in openers if keyed and opener.is_media]
    found = {opener: locate(opener) for opener in openers if not (keyed and opener.is_media)}
    if media:
        bar.begin("Looking at files", len(media))
        with ThreadPoolExecutor(cores()) as pool:
            for opener, result in zip(media, pool.map(locate, media), strict=True):
                found[opener] = bar.passed(result)
    return found


def _kind(job: Job) -> Kind:
    return type(next(iter(job.requests.values())).opener)


def _digest(*parts: KeyPart) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
