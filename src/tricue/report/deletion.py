"""Whether the steps that are said to carry decisions carry them: the curves of evaluation/deletion.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.evaluation.deletion import SHARES, Deletion, mean_area
from tricue.report.figure import CUE_COLOURS, INK, Drawn, canvas


def draw_deletion(deletions: Sequence[Deletion], name: str, title: str) -> Drawn:
    """Mean probability of what was said while more and more of a cue is taken away, a panel per cue.

    deletions: of several utterances, each for any of its cues; at least one.
    """
    by_cue = {cue: [d for d in deletions if d.cue == cue] for cue in CUE_COLOURS}
    shown = {cue: own for cue, own in by_cue.items() if own}
    data: dict[str, Any] = {}
    told = []
    with canvas(2.7 * len(shown), 3.1, 1, len(shown), sharey=True) as (figure, axes):
        for ax, (cue, own) in zip(axes[0], shown.items(), strict=True):
            falling = np.mean([d.falling for d in own], axis=0)
            random = np.mean([d.random.mean(axis=0) for d in own], axis=0)
            area, low, high = mean_area(own)
            across = 100 * np.array(SHARES)
            ax.plot(across, 100 * random, color=INK, linestyle="--", label="in random order")
            ax.plot(across, 100 * falling, color=CUE_COLOURS[cue], marker="o", label="the weightiest first")
            ax.fill_between(
                across, 100 * falling, 100 * random, color=CUE_COLOURS[cue], alpha=0.15, linewidth=0
            )
            ax.set(title=f"{cue}: {100 * area:+.1f} points", xlabel="taken away, in %", ylim=(0, None))
            ax.legend(loc="lower left")
            bounds = "" if np.isnan(low) else f" (95%: {100 * low:.1f} to {100 * high:.1f})"
            told.append(f"{cue} {100 * area:+.1f} points{bounds}, n = {len(own)}")
            data[cue] = {
                "shares": list(SHARES), "falling": falling.tolist(), "random": random.tolist(), "n": len(own),
                "area": area, "low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high,
            }  # fmt: skip
        axes[0, 0].set(ylabel="probability of what was said,\nbefore calibration, in %")
    caption = (
        "The words, moments or frames of one cue are taken away while the other cues stay whole. The area, in points "
        f"before calibration, by which the weightiest first costs more than a random order: {'; '.join(told)}."
    )
    return Drawn(name, title, caption, f"Deletion curves. {caption}", figure, data)
