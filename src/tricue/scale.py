"""Extraction on many machines: the only file that imports Ray (https://docs.ray.io/en/latest/data/data.html).

The same `Worker` as on one machine, mapped over Ray Data with a pool of actors per device: on CPUs each actor decodes
and encodes with one thread; with GPUs a pool of CPU actors decodes and prepares, and one actor per GPU encodes. Rows
come back to this process, which alone writes the store. Clips and encoders must lie under the same paths on every
machine (a shared file system), and tricue must be installed there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tricue.device import cores
from tricue.features.engine import Batch, Engine, one_thread
from tricue.features.worker import Result, Worker
from tricue.types import InputError

_BLOCKS = 10_000  # of batches, at most: what comes back and is retried together


def ray_engine(address: str | None = None, workers: int | None = None) -> Engine:
    """address: of a running cluster (`auto`, `ray://host:10001`); None starts one on this machine for the run.

    workers: actors that decode; None is one per core of the cluster. Actors that are lost are started again, and
    their batches with them: by Ray. Raises InputError where Ray is not installed or the cluster does not answer.
    """
    try:
        import ray.data
    except ImportError as error:
        raise InputError("--engine ray needs Ray: pip install 'tricue[ray]'") from error

    def run(worker: Worker, batches: Sequence[Batch]) -> Iterator[list[Result]]:
        started = _connect(address)
        try:
            yield from _mapped(worker, batches, workers)
        finally:
            if started:
                ray.shutdown()

    return run


def _connect(address: str | None) -> bool:
    """Join the cluster, or start one; whether this process is to leave it again."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a run is told to anyone
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    for name in (
        "ray",
        "ray.data",
    ):  # what it says of its plans is nothing to act upon; its errors are raised
        logging.getLogger(name).setLevel(logging.ERROR)
    if ray.is_initialized():
        return False
    size = {"num_cpus": cores()} if address is None else {}
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **size)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"--ray-address {address}: no Ray cluster there ({error}). Start one with `ray start --head`, or leave the "
            "address out."
        ) from error
    return True


def _mapped(worker: Worker, batches: Sequence[Batch], workers: int | None) -> Iterator[list[Result]]:
    """Actors and tasks that a lost machine takes with it are started again: Ray Data's default."""
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    DataContext.get_current().enable_progress_bars = False  # there is a bar already
    found = ray.cluster_resources()
    cpus, gpus = int(found.get("CPU", 1)), int(found.get("GPU", 0))
    decoders = ActorPoolStrategy(min_size=1, max_size=min(workers or cpus, len(batches)))
    rows = ray.data.from_items(
        [{"item": batch} for batch in batches], override_num_blocks=min(_BLOCKS, len(batches))
    )
    if worker.device == "cpu" or not gpus:
        rows = rows.map(_Actor, fn_constructor_args=(worker, "__call__"), compute=decoders, num_cpus=1)
    else:
        encoders = ActorPoolStrategy(size=gpus)
        rows = rows.map(_Actor, fn_constructor_args=(worker, "prepare"), compute=decoders, num_cpus=1)
        rows = rows.map(
            _Actor, fn_constructor_args=(worker, "encode"), compute=encoders, num_cpus=0, num_gpus=1
        )
    for row in rows.iter_rows():
        yield row["item"]


class _Actor:
    """One process of the cluster, with the models it has loaded."""

    def __init__(self, worker: Worker, task: str) -> None:
        one_thread()
        self.do = getattr(worker, task)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"item": self.do(row["item"])}
