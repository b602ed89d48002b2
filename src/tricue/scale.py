"""Extraction on many machines: the only file that imports Ray (https://docs.ray.io/en/latest/data/data.html).

The same `Worker` as on one machine, mapped over Ray Data with a pool of actors per device: on CPUs each actor decodes
and encodes with one thread; with GPUs a pool of CPU actors decodes and prepares, and one actor per GPU encodes. Rows
come back to this process, which alone writes the store. Clips and encoders must lie under the same paths on every
machine (a shared file system), and tricue must be installed there.
"""

import logging
import os
import socket
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from tricue.device import cores
from tricue.extras import check_extra
from tricue.features.engine import Batch, Engine
from tricue.features.worker import Result, Worker, killed
from tricue.processes import limit_threads
from tricue.types import InputError, ModalityName

_BLOCKS = 10_000  # of batches, at most: what comes back and is retried together
_TRIES = 3  # of a batch whose actor is lost each time
_PATIENCE = 10.0  # seconds for a cluster to answer; Ray itself tries for minutes


def ray_engine(address: str | None = None, workers: int | None = None) -> Engine:
    """address: of a running cluster (`auto`, `ray://host:10001`); None starts one on this machine for the run.

    workers: actors that decode; None is one per core of the cluster. Actors that are lost are started again, and
    their batches with them: by Ray; a job that kills every one is named and passed over. Raises InputError where Ray
    is not installed or the cluster does not answer.
    """
    check_extra("ray", "--engine ray")
    import ray.data

    def run(worker: Worker, batches: Sequence[Batch]) -> Generator[list[Result]]:
        started = _connect(address)
        try:
            yield from _surviving(worker, batches, workers)
        finally:
            if started:
                ray.shutdown()

    return run


def _connect(address: str | None) -> bool:
    """Join the cluster, or start one; whether this process is to leave it again."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a run is told to anyone
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    for name in ("ray", "ray.data"):  # what it says of its plans is no news; errors are raised
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if ray.is_initialized():
        return False
    size = {"num_cpus": cores()} if address is None else {}
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():
            socket.create_connection((host, int(port)), _PATIENCE).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **size)
    except (OSError, ValueError, RuntimeError, OverflowError, ImportError) as error:
        raise InputError(
            f"--ray-address {address}: no Ray cluster there ({error}). Start one with `ray start --head`, or leave the "
            "address out."
        ) from error
    return True


def _surviving(worker: Worker, batches: Sequence[Batch], workers: int | None) -> Iterator[list[Result]]:
    """What the cluster gives; jobs of batches that no actor survived once more, each alone, then their names."""
    left = [job for batch in batches for job in batch]
    for parts in (batches, None):
        done: set[tuple[ModalityName, str]] = set()
        for results in _mapped(worker, parts or [[job] for job in left], workers):
            done.update((result.modality, result.key) for result in results)
            yield results
        left = [job for job in left if not done.issuperset(job.keys.items())]
        if not left:
            return
    yield from map(killed, left)


def _mapped(worker: Worker, batches: Sequence[Batch], workers: int | None) -> Iterator[list[Result]]:
    """What a lost machine or a killed actor had in hand is begun again by Ray Data, and again, for ever: after _TRIES
    nothing is given for it."""
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    DataContext.get_current().enable_progress_bars = False  # there is a bar already
    tries = ray.remote(num_cpus=0)(_Tries).remote()
    found = ray.cluster_resources()
    cpus, gpus = int(found.get("CPU", 1)), int(found.get("GPU", 0))
    decoders = ActorPoolStrategy(min_size=1, max_size=min(workers or cpus, len(batches)))
    rows = ray.data.from_items(
        [{"number": number, "item": batch} for number, batch in enumerate(batches)],
        override_num_blocks=min(_BLOCKS, len(batches)),
    )

    def stage(data: Any, task: str, pool: Any, **resources: float) -> Any:
        return data.map(_Actor, fn_constructor_args=(worker, task, tries), compute=pool, **resources)

    if worker.device == "cpu" or not gpus:
        rows = stage(rows, "__call__", decoders, num_cpus=1)
    else:
        rows = stage(rows, "prepare", decoders, num_cpus=1)
        rows = stage(rows, "encode", ActorPoolStrategy(size=gpus), num_cpus=0, num_gpus=1)
    for row in rows.iter_rows():
        if isinstance(row["item"], InputError):
            raise row["item"]
        yield row["item"]


class _Tries:
    """How often each batch was begun, told by a process that outlives those that try."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def begin(self, name: str) -> int:
        self.counts[name] += 1
        return self.counts[name]


class _Actor:
    """One process of the cluster, with the models it has loaded."""

    def __init__(self, worker: Worker, task: str, tries: Any) -> None:
        limit_threads()
        self.do, self.task, self.tries = getattr(worker, task), task, tries

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """What is wrong with the input is handed on, to be raised where the run is: Ray would wrap it."""
        import ray

        if isinstance(row["item"], InputError):
            return row
        if ray.get(self.tries.begin.remote(f"{self.task} {row['number']}")) > _TRIES:
            return row | {"item": []}
        try:
            return row | {"item": self.do(row["item"])}
        except InputError as error:
            return row | {"item": error}
