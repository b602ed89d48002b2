"""Whether the steps that are said to carry decisions carry them: the curves of explain/deletion.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.explain.deletion import SHARES, Deletion, mean_area
from tricue.figures.canvas import INK, Drawn, canvas
from tricue.registry import MODALITIES


def draw_deletion(deletions: Sequence[Deletion], name: str, title: str) -> Drawn:
    """Mean of the value that is explained while more and more of a modality is taken away, a panel per modality.

    deletions: of several utterances, each for any of its modalities; at least one. All values have the same unit.
    """
    unit = deletions[0].unit
    by_modality = {modality: [d for d in deletions if d.modality == modality] for modality in MODALITIES}
    shown = {modality: own for modality, own in by_modality.items() if own}
    data: dict[str, Any] = {}
    told = []
    with canvas(2.7 * len(shown), 3.1, 1, len(shown), sharey=True) as (figure, axes):
        for ax, (modality, own) in zip(axes[0], shown.items(), strict=True):
            falling = np.mean([d.falling for d in own], axis=0)
            random = np.mean([d.random.mean(axis=0) for d in own], axis=0)
            area, low, high = mean_area(own)
            across = 100 * np.array(SHARES)
            ax.plot(across, unit.factor * random, color=INK, linestyle="--", label="in random order")
            colour = MODALITIES[modality].colour
            ax.plot(across, unit.factor * falling, color=colour, marker="o", label="the weightiest first")
            ax.fill_between(across, unit.factor * falling, unit.factor * random, color=colour, alpha=0.15, linewidth=0)
            ax.set(title=f"{modality}: {unit.difference(area)}{unit.points}", xlabel="taken away, in %")
            if unit.sign:
                ax.set_ylim(0, None)
            ax.legend(loc="lower left" if unit.sign else "best")
            ends = [unit.difference(end).removeprefix("+") for end in (low, high)]
            bounds = "" if np.isnan(low) else f" (95%: {' to '.join(ends)})"
            told.append(f"{modality} {unit.difference(area)}{unit.points}{bounds}, n = {len(own)}")
            data[modality] = {
                "shares": list(SHARES), "falling": falling.tolist(), "random": random.tolist(), "n": len(own),
                "area": area, "low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high,
            }  # fmt: skip
        axes[0, 0].set(ylabel=f"{unit.noun} that is explained,\nbefore calibration{', in %' if unit.sign else ''}")
    caption = (
        "The words, moments or frames of one modality are taken away while the other modalities stay whole. The area, "
        f"in {unit.name} before calibration, by which the weightiest first costs more than a random order: "
        f"{'; '.join(told)}."
    )
    return Drawn(name, title, caption, f"Deletion curves. {caption}", figure, data)
