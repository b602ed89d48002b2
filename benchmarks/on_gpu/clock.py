"""Sides of a claim, timed in turn: medians, and the peak of the GPU's memory."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

Ready = Callable[[], Callable[[], Any]]  # prepares a side, untimed; returns what is timed


def time_in_turn(sides: Mapping[str, Ready], rounds: int, device: str) -> dict[str, dict[str, Any]]:
    """Per side the median `seconds` of the rounds, those of each, and `peak_gib` (None on the CPU).

    In each round every side runs once. A first round warms up and is not counted.
    """
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    peaks: dict[str, float | None] = dict.fromkeys(sides)
    for round_ in range(-1, rounds):
        for side, prepare in sides.items():
            run = prepare()
            gc.collect()  # what the side before left in cycles would count as this one's memory
            taken, peak = _time(run, device)
            if round_ >= 0:
                seconds[side].append(taken)
                peaks[side] = peak
    return {
        side: {
            "seconds": statistics.median(own),
            "seconds_per_round": [round(value, 4) for value in own],
            "peak_gib": peaks[side],
        }
        for side, own in seconds.items()
    }


def _time(run: Callable[[], Any], device: str) -> tuple[float, float | None]:
    """Seconds until the device has done all of it, and GiB of its memory that were held at most."""
    if device == "cpu":
        begun = time.perf_counter()
        run()
        return time.perf_counter() - begun, None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - begun, round(torch.cuda.max_memory_allocated() / 2**30, 3)


def as_rates(timed: Mapping[str, dict[str, Any]], count: int, unit: str) -> dict[str, dict[str, Any]]:
    """`time_in_turn` of sides that each did `count` of something, with `<unit>_per_second` in place of the median."""
    return {
        side: {
            f"{unit}_per_second": float(f"{count / own['seconds']:.4g}"),
            "seconds_per_round": own["seconds_per_round"],
            "peak_gib": own["peak_gib"],
        }
        for side, own in timed.items()
    }
