"""Two Ray workers against one and against the local engine, with the mapping told apart from the start."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extraction.inputs import MODALITIES, RUNS, features_config, machine, named, settings
from extraction.made_clips import made_clips, utterances
from extraction.processes import alone

if TYPE_CHECKING:
    from tricue.features.worker import Job, Result, Worker


@dataclass(frozen=True)
class Noted:
    """A worker that writes down when it did which batch."""

    worker: Worker
    log: Path

    @property
    def device(self) -> str:
        return self.worker.device

    def __call__(self, jobs: Sequence[Job]) -> list[Result]:
        begun = time.time()
        results = self.worker(jobs)
        line = json.dumps([os.getpid(), begun, time.time(), sum(job.is_media for job in jobs)])
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return results

    def prepare(self, jobs: Sequence[Job]) -> Any:
        return self.worker.prepare(jobs)

    def encode(self, ready: Sequence[Any]) -> list[Result]:
        return self.worker.encode(ready)


def run_mapped(
    clips: list[str], chosen: dict[str, Any], engine: str, workers: int, batch: int, store: str
) -> dict[str, Any]:
    """Extraction through an engine, the time of its mapping told apart from its start.

    Mapping: from when every worker has done its first batch of clips (models are loaded) to when the first runs out of
    work, so that all of them are busy; a batch counts with the share of it that lies inside.
    """
    from tricue.features.engine import local_engine
    from tricue.features.extract import extract
    from tricue.modalities.reading import MediaFile

    MediaFile.batch_size = batch
    log = RUNS / f"mapped-{os.getpid()}.log"
    log.unlink(missing_ok=True)
    if engine == "ray":
        from tricue.scale import ray_engine

        inner = ray_engine(None, workers)
    else:
        inner = local_engine(workers)
    begun = time.time()

    def noted(worker: Worker, batches: Any) -> Any:
        return inner(Noted(worker, log), batches)  # type: ignore[arg-type]

    shutil.rmtree(store, ignore_errors=True)
    paths = [Path(clip) for clip in clips]
    extract(utterances(paths), features_config(chosen), MODALITIES, Path(store), engine=noted, progress=False)
    ended = time.time()
    spans = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    log.unlink()
    crew = {pid for pid, *_ in spans}
    warm = max(min(end for p, _, end, count in spans if p == pid and count) for pid in crew)
    idle = min(max(end for p, _, end, _ in spans if p == pid) for pid in crew)
    if idle <= warm:
        raise SystemExit(f"{len(clips)} clips in batches of {batch}: too few for {len(crew)} busy workers.")
    inside = sum(count * max(0.0, min(end, idle) - max(start, warm)) / (end - start) for _, start, end, count in spans)
    return {
        "processes": len(crew),
        "extract_seconds": ended - begun,
        "first_batch_begins_after": min(start for _, start, _, _ in spans) - begun,
        "mapping_seconds": idle - warm,
        "clips_mapped": inside,
        "clips_per_second": inside / (idle - warm),
    }


def ray(args: argparse.Namespace) -> dict[str, Any]:
    paths = [str(path) for path in made_clips(args.clips)]
    before, found = machine(), {}
    sides = [("ray", 1), ("ray", 2), ("local", 2)]
    for _ in range(args.repeats):
        for engine, workers in sides:
            one = alone(
                run_mapped, clips=paths, chosen=settings(), engine=engine, workers=workers,
                batch=args.batch, store=RUNS / "store-ray",
            )  # fmt: skip
            found.setdefault(f"{engine}, {workers}", []).append({k: round(v, 2) for k, v in one.items()})
            print(engine, workers, one, file=sys.stderr, flush=True)
    rates = {side: statistics.median(one["clips_per_second"] for one in runs) for side, runs in found.items()}
    return {
        "what": "text + audio + video of the clips over Ray actors on this machine; mapping told apart from start-up",
        "machine": before,
        "clips": args.clips,
        "clips_per_batch": args.batch,
        "settings": named(settings()),
        "repeats": args.repeats,
        "clips_per_second_while_mapping": rates,
        "two_ray_workers_to_one": round(rates["ray, 2"] / rates["ray, 1"], 2),
        "two_ray_workers_to_local_engine_with_two": round(rates["ray, 2"] / rates["local, 2"], 2),
        "start_seconds": {
            side: statistics.median(one["first_batch_begins_after"] for one in runs) for side, runs in found.items()
        },
        "runs": found,
    }
