"""Rows in, features out: from files or from memory, with a store that keeps them or without one."""

import logging
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from tricue.config.feature_settings import FeaturesConfig
from tricue.config.model_settings import Depth
from tricue.extractors.choice import Extractor, as_read, make_extractors, precomputed_files
from tricue.extractors.corruption import Corruption, with_damage
from tricue.extractors.precomputed import Precomputed, read_precomputed
from tricue.extractors.vary_sound import VariedSound
from tricue.features.engine import Engine, local_engine
from tricue.features.feature_set import FeatureSet, check_ids
from tricue.features.plan import Plan, Requests, Rows, make_plan, size_line
from tricue.features.store import Row, Store
from tricue.features.worker import Result, Worker
from tricue.modalities.requests import Opener, Request
from tricue.progress import Bar
from tricue.registry import MODALITIES
from tricue.types import ModalityName, Utterance

_LOG = logging.getLogger(__name__)
_FEW = 200  # jobs that need no announcement

Passing = dict[tuple[ModalityName, str], str]  # modality, key -> a reason that may be gone in the next run
Memory = Mapping[str, Mapping[ModalityName, Opener]]  # utterance id -> what of it is in memory, not in a file


@dataclass(frozen=True)
class FeaturePipeline:
    """Reads the features of utterances: what nobody has read yet is opened, prepared and encoded.

    Values are float16, stored or not, and the same either way. What cannot be read is a `Fault`, never an error.

    Args:
        extractors: Of each modality that is read from its source.
        store: Where features are kept between runs; None: nowhere, and nothing is written to the disk.
        precomputed: Features from a file, of further modalities.
        engine: Where the work is done: this process, several, a cluster, a service's decoders.
        is_logged: Faults and notes are logged as warnings, too.
    """

    extractors: Mapping[ModalityName, Extractor]
    store: Path | None = None
    precomputed: Mapping[ModalityName, Precomputed] = field(default_factory=dict)
    modalities: Sequence[ModalityName] = ()  # in the order of the features; (): the extractors', then others
    device: str = "cpu"
    engine: Engine = field(default_factory=local_engine)
    progress: bool = False
    is_logged: bool = True

    @classmethod
    def from_settings(
        cls,
        config: FeaturesConfig,
        modalities: Sequence[ModalityName],
        store: Path | None = None,
        *,
        live: Mapping[ModalityName, Depth] = MappingProxyType({}),
        damage: Corruption | VariedSound | None = None,
        device: str = "cpu",
        workers: int | None = None,
        engine: Engine | None = None,
        progress: bool = True,
    ) -> "FeaturePipeline":
        """The pipeline that `features.*` asks for.

        Args:
            config: With whole paths of precomputed files (`located`).
            modalities: Those to read.
            store: As of the class.
            live: Modalities whose encoder is trained with the network, and how much of it (`Config.live`): what is
                trained reads what is made. Of text that is (T, 2) int32 [token id, own?], never stored; of video the
                pictures, of audio what the frozen part gives.
            damage: Done to the signal of its modality before the extractor reads it; faults are not logged again then.
            device: What encoders run on.
            workers: Processes, as `local_engine` takes them.
            engine: Another engine in place of `local_engine(workers)`.
            progress: Show a bar on long work.

        Raises:
            InputError: An encoder or a precomputed file cannot be read.
        """
        extractors = make_extractors(config, modalities, device, live)
        if damage is not None:
            extractors = with_damage(extractors, damage)
        files = precomputed_files(config, modalities)
        return cls(
            extractors, store, {modality: read_precomputed(path, modality) for modality, path in files.items()},
            modalities, device, engine or local_engine(workers), progress, damage is None,
        )  # fmt: skip

    @property
    def dims(self) -> dict[ModalityName, tuple[int, ...]]:
        """Widths of the streams of each modality's features."""
        dims: dict[ModalityName, tuple[int, ...]] = {modality: (own.dim,) for modality, own in self.precomputed.items()}
        dims |= {modality: extractor.dims for modality, extractor in self.extractors.items()}
        return {modality: dims[modality] for modality in self.modalities or dims}

    def __call__(
        self, rows: Sequence[Utterance], among: Sequence[Utterance] | None = None, memory: Memory | None = None
    ) -> FeatureSet:
        """The features of every modality that the rows have.

        Args:
            rows: Utterances with ids of their own.
            among: The rows whose turns text may read as context; None: `rows`.
            memory: Signals in memory, in place of the files of a row.

        Raises:
            InputError: The store cannot be written, or a precomputed file has none of the rows.
        """
        (found,) = self._read([rows], among, memory or {})
        return found

    def in_parts(self, parts: Sequence[Sequence[Utterance]]) -> Generator[FeatureSet]:
        """As a call for each of the parts, in order, as soon as its features are there. The parts are one list of
        utterances: they share context, ids and files. With a store later parts are read meanwhile; without one each
        is read when it is asked for, and nothing of it is kept."""
        if self.store is not None:
            yield from self._read(parts, None, {})
            return
        together = [row for rows in parts for row in rows]
        for rows in parts:
            yield self(rows, together)

    @property
    def unstored(self) -> list[ModalityName]:
        """Modalities of which nothing is kept, for it is made as quickly as it is read."""
        return [modality for modality, own in self.extractors.items() if not getattr(own, "is_stored", True)]

    @property
    def turns(self) -> int:
        """Turns before an utterance that are read with it."""
        return max([getattr(extractor, "turns", 0) for extractor in self.extractors.values()], default=0)

    def batch_size(self, rows: Sequence[Utterance]) -> int:
        """How many of the rows are read together: a part that is as large is there as soon as any."""
        requests = (request for own in self.requests(rows).values() for request in own.values())
        return min((request.opener.batch_size for request in requests), default=_FEW)

    def requests(
        self, rows: Sequence[Utterance], among: Sequence[Utterance] | None = None, memory: Memory | None = None
    ) -> Requests:
        """What is to be read of the rows, by modality and id."""
        found = {m: MODALITIES[m].make_requests(rows, e, among) for m, e in self.extractors.items()}
        for id_, signals in (memory or {}).items():
            for modality, opener in signals.items():
                if modality in found:
                    found[modality][id_] = Request(opener)
        return found

    def plan(self, requests: Requests, bar: Bar) -> Plan:
        """What is there already, and what is left to do. Raises InputError where the store cannot be written."""
        return make_plan(requests, {m: self._held(m, e) for m, e in self.extractors.items()}, bar)

    def _held(self, modality: ModalityName, extractor: Extractor) -> Store | Rows:
        if self.store is None or modality in self.unstored:
            return Rows()
        return Store(self.store, modality, extractor.name, {"version": extractor.version, **extractor.settings})

    def _read(
        self, parts: Sequence[Sequence[Utterance]], among: Sequence[Utterance] | None, memory: Memory
    ) -> Generator[FeatureSet]:
        utterances = [row for rows in parts for row in rows]
        for modality, file in self.precomputed.items():
            check_ids(modality, file, utterances)
        with Bar(self.progress) as bar:
            plan = self.plan(self.requests(utterances, among, memory), bar)
            if len(plan.jobs) > _FEW and self.store is not None:
                _LOG.info(size_line(plan, self.extractors))
            faults = defaultdict(list)
            for fault in plan.faults:
                faults[fault.id].append(fault)
            passing: Passing = {}
            for rows in self._finished(plan, parts, passing, bar):
                found = FeatureSet({modality: {} for modality in self.dims}, self.dims)
                for modality, file in self.precomputed.items():
                    found.add_precomputed(modality, file, rows)
                for id_ in dict.fromkeys(row.id for row in rows):
                    found.faults.extend(faults[id_])
                    for modality, key in ((m, own[id_]) for m, own in plan.keys.items() if id_ in own):
                        reason = passing.get((modality, key))
                        row = Row(None, reason) if reason else plan.held[modality][key]
                        if row.values is not None:
                            row = replace(row, values=as_read(self.extractors[modality], row.values))
                        found.add(id_, modality, row)
                if self.is_logged:
                    found.log()
                yield found

    def _finished(
        self, plan: Plan, parts: Sequence[Sequence[Utterance]], passing: Passing, bar: Bar
    ) -> Iterator[Sequence[Utterance]]:
        """Do the plan's jobs, each batch written as soon as it is there; the parts, each once all of it is there.

        passing: gets the reasons that may pass.
        """
        waiting = deque(parts)
        if batches := plan.batches({u.id: i for i, rows in enumerate(parts) for u in rows}):
            bar.begin("Extracting", len(plan.jobs))
            worker = Worker(self.extractors, self.device)
            with closing(self.engine(worker, batches)) as done:  # its processes end with the loop, however that ends
                for results in done:
                    _keep(results, plan, passing)
                    bar.advance(len({result.id for result in results}))
                    while len(waiting) > 1 and _is_there(plan, passing, waiting[0]):
                        yield waiting.popleft()
        for held in plan.held.values():
            held.merge()
        yield from waiting


def _is_there(plan: Plan, passing: Passing, rows: Sequence[Utterance]) -> bool:
    keys = ((modality, own[row.id]) for modality, own in plan.keys.items() for row in rows if row.id in own)
    return all((modality, key) in passing or key in plan.held[modality] for modality, key in keys)


def _keep(results: Sequence[Result], plan: Plan, passing: Passing) -> None:
    """Write a batch: one shard per modality."""
    rows: dict[ModalityName, list[tuple[str, Row]]] = defaultdict(list)
    for result in results:
        if result.passing:
            passing[result.modality, result.key] = str(result.row.note)
        else:
            rows[result.modality].append((result.key, result.row))
    for modality, own in rows.items():
        plan.held[modality].add(own)
