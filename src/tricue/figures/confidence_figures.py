"""Whether probabilities mean what they say, and what is gained by leaving the least sure rows unanswered.

Rows without a usable modality got no answer, and stand in none of these figures.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.figures.canvas import DASHES, FAINT, Drawn, canvas
from tricue.figures.page_parts import Answers
from tricue.metrics.confidence import reliability, score_by_coverage

NO_ANSWER = "no row has a modality that can be used"


def draw_calibration(answers: Answers) -> Drawn:
    """Accuracy over confidence above, how many rows have which confidence below."""
    title, name = answers.title, f"calibration-{answers.key}"
    if not answers.answered.any():
        return Drawn(name, title, "", why_not=NO_ANSWER)
    probabilities, labels = _answered(answers)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    data = reliability(confidence, right)
    before = answers.calibration["ece_uncalibrated"]
    colour, bins = answers.colour, data["bins"]
    accuracy, mean = 100 * float(right.mean()), 100 * float(confidence.mean())
    with canvas(4.2, 4.8, 2, 1, sharex=True, height_ratios=[3, 1.3]) as (figure, axes):
        upper, lower = axes[0, 0], axes[1, 0]
        upper.plot([0, 100], [0, 100], color=FAINT, linewidth=1)
        across, up = ([100 * b[key] for b in bins] for key in ("confidence", "accuracy"))
        upper.plot(across, up, "-", color=colour)
        sizes = [12 + 150 * b["rows"] / len(confidence) for b in bins]
        upper.scatter(across, up, sizes, color=colour, zorder=3)
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
        f"before the temperature {100 * before:.1f}, mean confidence {mean:.1f}%, accuracy {accuracy:.1f}%."
    )
    return Drawn(name, title, answers.left_out, alt, figure, data)


def draw_coverage(answers: Sequence[Answers]) -> Drawn:
    """Weighted F1 of the rows that are answered, over their share, where the least sure are left out first."""
    title = "Score against coverage"
    if not answers[0].answered.any():
        return Drawn("coverage", title, "", why_not=NO_ANSWER)
    data = {own.title.lower(): _by_coverage(own) for own in answers}
    with canvas(5.4, 3.6) as (figure, axes):
        ax = axes[0, 0]
        for i, (own, (name, steps)) in enumerate(zip(answers, data.items(), strict=True)):
            across = [100 * step["coverage"] for step in steps]
            up = [100 * step["weighted_f1"] for step in steps]
            line = {"color": own.colour, "linestyle": DASHES[i % len(DASHES)]}
            ax.plot(across, up, label=name, marker="o", markersize=3, **line)
        ax.set(xlabel="rows answered, the surest first, in %", ylabel="weighted F1, in %", xlim=(102, 0))
        ax.legend()
    told = []
    for name, steps in data.items():
        named = [s for s in steps if s is steps[0] or round(100 * s["coverage"]) in (75, 50, 25)]
        each = [f"{100 * s['weighted_f1']:.1f}% at {100 * s['coverage']:.0f}%" for s in named]
        told.append(f"{name}: {', '.join(each)}")
    alt = f"{title}, weighted F1 of the rows answered: {'; '.join(told)}."
    return Drawn("coverage", title, answers[0].left_out, alt, figure, data)


def _answered(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, C) and labels (n,) of the rows that were answered."""
    return answers.values[answers.answered], answers.targets[answers.answered]


def _by_coverage(answers: Answers) -> list[dict[str, Any]]:
    """`score_by_coverage`, in shares of all rows: its curve ends at the share that can be answered at all."""
    share = float(answers.answered.mean())
    steps = score_by_coverage(*_answered(answers), len(answers.names))
    return [{**step, "coverage": share * step["coverage"]} for step in steps]
