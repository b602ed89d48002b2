"""Clips of 720p: tricue, the obvious script, and one decode per clip, in turn."""

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from extraction.inputs import MODALITIES, RUNS, machine, manifest, named, settings
from extraction.made_clips import clip_rows, describe_clips, made_clips
from extraction.processes import alone, extract_alone
from extraction.scripts import run_agreement, run_obvious, run_sequential
from extraction.stages import floor, run_stages

SCRIPTS = {"obvious": run_obvious, "sequential": run_sequential}


def clips(args: argparse.Namespace) -> dict[str, Any]:
    """The three sides in blocks, tricue's whole run between the halves of the others."""
    paths = [str(path) for path in made_clips(args.clips)]
    chosen, few = settings(), paths[: args.obvious_clips or len(paths)]
    halves = [few[: len(few) // 2], few[len(few) // 2 :]] if len(few) > 1 else [few]
    whole = manifest("clips", clip_rows([Path(path) for path in paths]))
    half = manifest("clips-half", clip_rows([Path(path) for path in paths[: len(paths) // 2]]))
    store, blocks = RUNS / "store-clips", []

    def block(side: str, count: int, run: Callable[[], dict[str, Any]]) -> None:
        found = run()
        print(f"{side}: {count} clips, {found['wall']:.1f} s", file=sys.stderr, flush=True)
        blocks.append({"side": side, "clips": count, **{k: round(v, 3) for k, v in found.items() if k != "status"}})

    def script(side: str, part: list[str]) -> None:
        out = RUNS / "script.npz"
        block(side, len(part), partial(alone, SCRIPTS[side], clips=part, chosen=chosen, out=out))

    before = machine()
    for _ in range(args.repeats):
        script("obvious", halves[0])
        script("sequential", halves[0])
        block("this", len(paths), partial(extract_alone, whole, store, chosen, MODALITIES))
        for part in halves[1:]:
            script("obvious", part)
        block("this, half", len(paths) // 2, partial(extract_alone, half, store, chosen, MODALITIES))
        for part in halves[1:]:
            script("sequential", part)
    agreement = alone(run_agreement, clips=few[:8], chosen=chosen)
    stages = alone(run_stages, clips=few, chosen=chosen, store=RUNS / "store-stages")
    floors = {what: floor(what, few, chosen) for what in ("decode", "encode")}

    def per_clip(side: str, seconds: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(seconds(b) / b["clips"] for b in blocks if b["side"] == side)

    # scripts: seconds of their start (imports, models) once for as many clips as tricue had
    started = {
        side: statistics.median(b["wall"] - b["seconds"] for b in blocks if b["side"] == side)
        for side in ("obvious", "sequential")
    }
    steady = {side: 1 / per_clip(side, lambda b: b["seconds"]) for side in started}
    called = {side: len(paths) / (started[side] + len(paths) / steady[side]) for side in started}
    called["this"] = 1 / per_clip("this", lambda b: b["wall"])
    seconds = [statistics.median(b["wall"] for b in blocks if b["side"] == s) for s in ("this", "this, half")]
    steady["this"] = (len(paths) - len(paths) // 2) / (seconds[0] - seconds[1])
    sides = ("this", "obvious", "sequential")
    return {
        "what": "clips per second, text + audio + video, from the call to the features on disk",
        "machine": before,
        "clips": describe_clips([Path(path) for path in paths]),
        "clips_of_the_scripts": len(few),
        "repeats": args.repeats,
        "settings": named(chosen),
        "clips_per_second": {
            "whole calls, with start-up": {side: round(called[side], 3) for side in sides},
            "without start-up": {side: round(steady[side], 3) for side in sides},
        },
        "ratios": {
            "this / obvious, whole calls": round(called["this"] / called["obvious"], 2),
            "this / obvious, without start-up": round(steady["this"] / steady["obvious"], 2),
            "this / sequential, whole calls": round(called["this"] / called["sequential"], 2),
            "this / sequential, without start-up": round(steady["this"] / steady["sequential"], 2),
        },
        "how": "this: wall time of `tricue extract` with an empty store; without start-up: the second half of the "
        "clips, as the whole run less a run of the first half. obvious, sequential: their clips after models are "
        "loaded and one clip has gone through; whole calls add that start once for as many clips as this had.",
        "seconds_per_clip_one_thread": {
            "all": round(stages["total"] / len(few), 4),
            **{name: round(value / len(few), 4) for name, value in stages["stages"].items()},
        },
        "floors_clips_per_second_two_processes": {
            "decode alone": round(floors["decode"], 3),
            "model arithmetic alone": round(floors["encode"], 3),
        },
        "agreement": {k: v for k, v in agreement.items() if k != "wall"},
        "blocks": blocks,
    }  # fmt: skip
