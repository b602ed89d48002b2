"""How well each class is told from the others: ROC curves and confusion matrices, a picture per phase."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import auc, confusion_matrix, roc_curve

from tricue.report.figure import DASHES, FAINT, INK, Drawn, canvas, emotion_colours
from tricue.report.readings import Reading


def draw_roc(reading: Reading) -> Drawn:
    """One against the rest, with the area under each curve (scikit-learn's `roc_curve`, `auc`)."""
    title, colours = f"Phase {reading.phase}", emotion_colours(reading.emotions)
    areas: dict[str, float | None] = {}
    data = {}
    with canvas(4.2, 4.6) as (figure, axes):
        ax = axes[0, 0]
        ax.plot([0, 100], [0, 100], color=FAINT, linewidth=1)
        for c, emotion in enumerate(reading.emotions):
            truth = reading.labels == c
            if truth.all() or not truth.any():
                areas[emotion] = None
                continue
            false, true, _ = roc_curve(truth, reading.probabilities[:, c])
            area = areas[emotion] = float(auc(false, true))
            data[emotion] = {
                "false_positive_rate": false.tolist(),
                "true_positive_rate": true.tolist(),
                "auc": area,
            }
            ax.plot(100 * false, 100 * true, color=colours[emotion], linestyle=DASHES[c % 4],
                    label=f"{emotion} {area:.3f}")  # fmt: skip
        ax.set(xlabel="false positives, in %", ylabel="true positives, in %", title=title, aspect="equal",
               xlim=(-2, 102), ylim=(-2, 102))  # fmt: skip
        if data:
            figure.legend(title="area under the curve", loc="outside lower center", ncols=2)
    told = ", ".join(f"{e} {a:.3f}" for e, a in areas.items() if a is not None)
    none = [e for e, a in areas.items() if a is None]
    caption = f"No curve for {', '.join(none)}: the rows hold none of it, or nothing else." if none else ""
    name = f"roc-phase{reading.phase}"
    if not data:
        return Drawn(name, title, "", why_not="the rows are of one class: nothing stands against it")
    return Drawn(name, title, caption, f"ROC curves, {title}; areas: {told}.", figure, data)


def draw_confusion(reading: Reading) -> Drawn:
    """Shares of each true class in %, and counts under them (scikit-learn's `confusion_matrix`)."""
    title, emotions = f"Phase {reading.phase}", reading.emotions
    n = len(emotions)
    counts = confusion_matrix(reading.labels, reading.probabilities.argmax(axis=1), labels=range(n))
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    side = max(4.6, 0.62 * n + 1.2)
    with canvas(side, side) as (figure, axes):
        ax = axes[0, 0]
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for i, j in np.ndindex(n, n):
            ink = "white" if shares[i, j] > 55 else INK
            share = f"{shares[i, j]:.0f}" if support[i, 0] else "–"
            ax.text(j, i - 0.13, share, ha="center", va="center", color=ink, fontsize=14)
            ax.text(j, i + 0.28, f"{counts[i, j]}", ha="center", va="center", color=ink, fontsize=10)
        ax.set_xticks(range(n), emotions, rotation=40, ha="right", fontsize=12)
        ax.set_yticks(
            range(n), [f"{e} ({s})" for e, s in zip(emotions, support[:, 0], strict=True)], fontsize=12
        )
        ax.set_xlabel("predicted", fontsize=13)
        ax.set_ylabel("true (rows)", fontsize=13)
        ax.set_title(title, fontsize=14)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    right = ", ".join(f"{e} {shares[i, i]:.0f}%" for i, e in enumerate(emotions) if support[i, 0])
    empty = [e for i, e in enumerate(emotions) if not support[i, 0]]
    caption = f"The rows hold no {', '.join(empty)}." if empty else ""
    data = {"emotions": emotions, "counts": counts.tolist(), "shares_percent": shares.round(3).tolist()}
    alt = f"Confusion matrix, {title}; share of each class that is found: {right}."
    return Drawn(f"confusion-phase{reading.phase}", title, caption, alt, figure, data)
