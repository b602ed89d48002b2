"""Whether probabilities mean what they say, and what is gained by leaving the least sure rows unanswered.

Rows without a usable cue got no answer, and stand in none of these figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.calibration import reliability
from tricue.evaluation.selective import score_by_coverage
from tricue.report.figure import DASHES, FAINT, Drawn, canvas
from tricue.report.readings import Answers, Reading

NO_ANSWER = "no row has a cue that can be used"


def draw_calibration(reading: Answers) -> Drawn:
    """Accuracy over confidence above, how many rows have which confidence below."""
    title, name = reading.title, f"calibration-{reading.key}"
    if not reading.answered.any():
        return Drawn(name, title, "", why_not=NO_ANSWER)
    probabilities, labels = _answers(reading)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    data = reliability(confidence, right)
    before = reading.evaluation.metrics["calibration"]["ece_uncalibrated"]
    colour, bins = reading.colour, data["bins"]
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
        lower.margins(y=0.25)  # room for the mean over the bars
        lower.locator_params(axis="y", integer=True, nbins=4)
        lower.axvline(mean, color="#222222", linewidth=1, linestyle="--")
        side = "right" if mean > 50 else "left"  # where the histogram is lower
        lower.text(mean, 0.97, f" mean {mean:.0f} ", transform=lower.get_xaxis_transform(), va="top", ha=side)
        lower.set(xlabel="confidence, in %", ylabel="rows")
    alt = (
        f"Reliability diagram and confidences, {title}: expected calibration error {100 * data['ece']:.1f} points, "
        f"before the temperature {100 * before:.1f}, "
        f"mean confidence {mean:.1f}%, accuracy {accuracy:.1f}%."
    )
    return Drawn(name, title, _left_out(reading), alt, figure, data)


def draw_coverage(readings: Sequence[Reading]) -> Drawn:
    """Weighted F1 of the rows that are answered, over their share, where the least sure are left out first."""
    title = "Score against coverage"
    if not readings[0].answered.any():
        return Drawn("coverage", title, "", why_not=NO_ANSWER)
    data = {f"phase {r.phase}": _by_coverage(r) for r in readings}
    with canvas(5.4, 3.6) as (figure, axes):
        ax = axes[0, 0]
        for reading, (name, steps) in zip(readings, data.items(), strict=True):
            across = [100 * step["coverage"] for step in steps]
            up = [100 * step["weighted_f1"] for step in steps]
            line = {"color": reading.colour, "linestyle": DASHES[reading.phase - 1]}
            ax.plot(across, up, label=name, marker="o", markersize=3, **line)
        ax.set(xlabel="rows answered, the surest first, in %", ylabel="weighted F1, in %", xlim=(102, 0))
        ax.legend()
    told = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{100 * step['weighted_f1']:.1f}% at {100 * step['coverage']:.0f}%"
            for step in steps
            if step is steps[0] or round(100 * step["coverage"]) in (75, 50, 25)
        )
        for name, steps in data.items()
    )
    alt = f"{title}, weighted F1 of the rows answered: {told}."
    return Drawn("coverage", title, _left_out(readings[0]), alt, figure, data)


def _answers(reading: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, C) and labels (n,) of the rows that were answered."""
    return reading.probabilities[reading.answered], reading.labels[reading.answered]


def _by_coverage(reading: Reading) -> list[dict[str, Any]]:
    """`score_by_coverage`, in shares of all rows: its curve ends at the share that can be answered at all."""
    share = float(reading.answered.mean())
    steps = score_by_coverage(*_answers(reading), len(reading.emotions))
    return [{**step, "coverage": share * step["coverage"]} for step in steps]


def _left_out(reading: Answers) -> str:
    count = int((~reading.answered).sum())
    if not count:
        return ""
    rows = "row has" if count == 1 else "rows have"
    return f"{count} of {len(reading.answered)} {rows} no usable cue, and so no answer: left out."
