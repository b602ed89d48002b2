"""Many utterances: time and memory at each size, and repeats that the store answers."""

import argparse
import multiprocessing
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import shared

from extraction.inputs import RUNS, machine, manifest, named
from extraction.processes import extract_alone
from tricue.device import cores


def write_dithered(source: Path, repeats: int, folder: Path, limit: int, first: int, of: int) -> None:
    """Copies of one recording, each with the last bit of its samples moved at random."""
    import soundfile

    samples, rate = soundfile.read(source, dtype="int16")
    for repeat in range(repeats):
        number = repeat * of + first
        path = folder / f"{number:05d}.flac"
        if number >= limit or path.exists():
            continue
        dither = np.random.default_rng([first, repeat]).integers(-1, 2, samples.shape)
        part = folder / f"part-{number:05d}.flac"
        soundfile.write(part, np.clip(samples + dither, -32768, 32767).astype(np.int16), rate, subtype="PCM_16")
        part.replace(path)


def dithered(count: int) -> list[Path]:
    sources = sorted(shared("data/ravdess/audio").glob("*.flac"))
    repeats = -(-count // len(sources))
    folder = RUNS / "dither"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.flac" for number in range(count)]
    if any(not path.exists() for path in paths):
        print(f"Making {count} recordings in {folder}", flush=True)
        with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
            jobs = [
                pool.submit(write_dithered, source, repeats, folder, count, first, len(sources))
                for first, source in enumerate(sources)
            ]
            for job in jobs:
                job.result()
    return paths


def linear(args: argparse.Namespace) -> dict[str, Any]:
    sizes = [int(size) for size in args.sizes.split(",")]
    paths = dithered(max(sizes))
    encoder = args.encoder if args.encoder == "light" else str(shared(f"models/{args.encoder}"))
    chosen = {"audio.encoder": encoder} | ({} if args.encoder == "light" else {"audio.layer": 2})
    before, measured, answered = machine(), [], []

    def run(name: str, rows: list[dict[str, Any]], fresh: bool = True) -> dict[str, Any]:
        table = manifest(f"linear-{name}", rows)
        found = [extract_alone(table, store, chosen, ["audio"], fresh) for _ in range(args.repeats)]
        seconds = statistics.median(one["wall"] for one in found)
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
        return {
            "utterances": len(rows),
            "seconds": round(seconds, 2),
            "milliseconds_per_utterance": round(1000 * seconds / len(rows), 2),
            "utterances_per_second": round(len(rows) / seconds, 1),
            "peak_megabytes_parent": round(max(one["peak_parent"] for one in found) / 1e6),
            "peak_megabytes_largest_child": round(max(one["peak_largest_child"] for one in found) / 1e6),
            "store_megabytes": round(sum(p.stat().st_size for p in store.rglob("*.arrow")) / 1e6, 1),
        }

    for size in sizes:
        store = RUNS / f"store-linear-{size}"
        own = [{"id": path.stem, "audio": path, "emotion": "neutral"} for path in paths[:size]]
        measured.append(run(f"{size}", own))
    sources = sorted(shared("data/ravdess/audio").glob("*.flac"))
    store = RUNS / "store-linear-repeats"
    plain = [{"id": f"{i:05d}", "audio": sources[i % len(sources)], "emotion": "neutral"} for i in range(max(sizes))]
    first = run("repeats", plain[: len(sources)])
    answered.append(run("repeats-stored", plain, fresh=False))
    small, large = measured[0], measured[-1]
    marginal = {  # start-up falls out between two sizes
        f"{a['utterances']} to {b['utterances']}": round(
            1000 * (b["seconds"] - a["seconds"]) / (b["utterances"] - a["utterances"]), 2
        )
        for a, b in pairwise(measured)
    }
    each = [one["milliseconds_per_utterance"] for one in measured]
    return {
        "what": "tricue extract, audio alone, an empty store; wall time with the start of the process",
        "machine": before,
        "recordings": "RAVDESS (FLAC, 16 kHz), each repeat with its own dither of the last bit",
        "settings": named(chosen),
        "repeats": args.repeats,
        "sizes": measured,
        "milliseconds_per_utterance": " : ".join(f"{ms:g}" for ms in each),
        "relative_to_the_largest": [round(ms / each[-1], 2) for ms in each],
        "milliseconds_per_further_utterance": marginal,
        "start_seconds": round(small["seconds"] - small["utterances"] * next(iter(marginal.values()), 0) / 1000, 2),
        "memory_largest_to_smallest": {
            side: round(large[f"peak_megabytes_{side}"] / max(1, small[f"peak_megabytes_{side}"]), 2)
            for side in ("parent", "largest_child")
        },
        "repeats_answered_from_the_store": {"first_run": first, "all_known": answered[0]},
        "note": "largest child: ru_maxrss of the largest process, which begins with what its parent held at its start",
    }
