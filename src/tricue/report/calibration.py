"""Whether probabilities mean what they say: reliability diagram with the expected calibration error, confidences."""

from __future__ import annotations

from typing import Any

import numpy as np

from tricue.report.figure import FAINT, PHASE_COLOURS, Drawn, canvas
from tricue.report.readings import Reading

BINS = 10  # of equal width, as in Guo et al. (2017), "On Calibration of Modern Neural Networks"


def calibration(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """confidence (N,) in [0, 1] of the predicted class, right (N,) bool -> ECE and, per bin that holds rows, their
    count, mean confidence and accuracy.

    ECE = sum over bins of (rows in it / N) |accuracy - mean confidence|, eq. 3 there; bins are (low, high], the
    first holds 0.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found: list[dict[str, Any]] = []
    for b in range(bins):
        own = place == b
        if own.any():
            found.append({
                "low": float(edges[b]), "high": float(edges[b + 1]), "rows": int(own.sum()),
                "confidence": float(confidence[own].mean()), "accuracy": float(right[own].mean()),
            })  # fmt: skip
    gaps = [b["rows"] * abs(b["accuracy"] - b["confidence"]) for b in found]
    return {"ece": float(sum(gaps) / len(confidence)), "bins": found}


def draw_calibration(reading: Reading) -> Drawn:
    """Accuracy over confidence above, how many rows have which confidence below."""
    title = f"Phase {reading.phase}"
    confidence = reading.probabilities.max(axis=1)
    right = reading.probabilities.argmax(axis=1) == reading.labels
    data = calibration(confidence, right)
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
                  title=f"{title}: ECE {100 * data['ece']:.1f} points")  # fmt: skip
        lower.hist(100 * confidence, bins=np.linspace(0, 100, 21), color=colour)
        lower.axvline(mean, color="#222222", linewidth=1, linestyle="--")
        side = "right" if mean > 50 else "left"  # where the histogram is lower
        lower.text(mean, 0.97, f" mean {mean:.0f} ", transform=lower.get_xaxis_transform(), va="top", ha=side)
        lower.set(xlabel="confidence, in %", ylabel="rows")
    alt = (
        f"Reliability diagram and confidences, {title}: expected calibration error {100 * data['ece']:.1f} points, "
        f"mean confidence {mean:.1f}%, accuracy {accuracy:.1f}%."
    )
    return Drawn(f"calibration-phase{reading.phase}", title, "", alt, figure, data)
