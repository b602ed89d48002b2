"""Whether probabilities mean what they say, and what is gained by leaving the least sure rows unanswered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tricue.calibration import reliability
from tricue.evaluation.selective import score_by_coverage
from tricue.report.figure import DASHES, FAINT, PHASE_COLOURS, Drawn, canvas
from tricue.report.readings import Reading


def draw_calibration(reading: Reading) -> Drawn:
    """Accuracy over confidence above, how many rows have which confidence below."""
    title = f"Phase {reading.phase}"
    confidence = reading.probabilities.max(axis=1)
    right = reading.probabilities.argmax(axis=1) == reading.labels
    data = reliability(confidence, right)
    before = reading.evaluation.metrics["calibration"]["ece_uncalibrated"]
    colour, bins = PHASE_COLOURS[reading.phase], data["bins"]
    accuracy, mean = 100 * float(right.mean()), 100 * float(confidence.mean())
    with canvas(4.2, 4.8, 2, 1, sharex=True, height_ratios=[3, 1.3]) as (figure, axes):
        upper, lower = axes[0, 0], axes[1, 0]
        upper.plot([0, 100], [0, 100], color=FAINT, linewidth=1)
        across, up = ([100 * b[key] for b in bins] for key in ("confidence", "accuracy"))
        upper.plot(across, up, "-", color=colour)
        upper.scatter(
            across, up, [12 + 150 * b["rows"] / len(confidence) for b in bins], color=colour, zorder=3
        )
        upper.set(ylabel="right, in %", ylim=(-2, 102), xlim=(-2, 102),
                  title=f"{title}: ECE {100 * data['ece']:.1f} points, was {100 * before:.1f}")  # fmt: skip
        lower.hist(100 * confidence, bins=np.linspace(0, 100, 21), color=colour)
        lower.axvline(mean, color="#222222", linewidth=1, linestyle="--")
        side = "right" if mean > 50 else "left"  # where the histogram is lower
        lower.text(mean, 0.97, f" mean {mean:.0f} ", transform=lower.get_xaxis_transform(), va="top", ha=side)
        lower.set(xlabel="confidence, in %", ylabel="rows")
    alt = (
        f"Reliability diagram and confidences, {title}: expected calibration error {100 * data['ece']:.1f} points, "
        f"before the temperature {100 * before:.1f}, "
        f"mean confidence {mean:.1f}%, accuracy {accuracy:.1f}%."
    )
    return Drawn(f"calibration-phase{reading.phase}", title, "", alt, figure, data)


def draw_coverage(readings: Sequence[Reading]) -> Drawn:
    """Weighted F1 of the rows that are answered, over their share, where the least sure are left out first."""
    title = "Score against coverage"
    data = {
        f"phase {r.phase}": score_by_coverage(r.probabilities, r.labels, len(r.emotions)) for r in readings
    }
    with canvas(5.4, 3.6) as (figure, axes):
        ax = axes[0, 0]
        for reading, (name, steps) in zip(readings, data.items(), strict=True):
            across = [100 * step["coverage"] for step in steps]
            up = [100 * step["weighted_f1"] for step in steps]
            line = {"color": PHASE_COLOURS[reading.phase], "linestyle": DASHES[reading.phase - 1]}
            ax.plot(across, up, label=name, marker="o", markersize=3, **line)
        ax.set(xlabel="rows answered, the surest first, in %", ylabel="weighted F1, in %", xlim=(102, 0))
        ax.legend()
    told = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{100 * step['weighted_f1']:.1f}% at {100 * step['coverage']:.0f}%"
            for step in steps
            if round(100 * step["coverage"]) in (100, 75, 50, 25)
        )
        for name, steps in data.items()
    )
    return Drawn("coverage", title, "", f"{title}, weighted F1 of the rows answered: {told}.", figure, data)
