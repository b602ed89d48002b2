"""The categorical task: ROC curves, confusion matrices and confidences, a picture per phase or seed.

Legend: N rows, C classes; `Answers.targets` (N,) class numbers, `Answers.values` (N, C) probabilities.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import auc, confusion_matrix, roc_curve

from tricue.figures import canvas as shared
from tricue.figures.canvas import INK, MANY_CLASSES, Drawn, canvas, short
from tricue.figures.confidence_figures import draw_calibration, draw_coverage
from tricue.figures.page_parts import Answers, Group, Section, side_by_side
from tricue.metrics.confidence import BINS
from tricue.spelling import listed

TOLD = 30  # classes up to which the cells of a confusion matrix hold their numbers
_CELL, _SHADE = 0.62, 0.25  # inches of a cell with its numbers, and of one without
_SIDE = 20.0  # inches of a confusion matrix at most
_LEAST = 5.0  # points of type that can still be read, magnified


RELIABILITY = (
    f"Rows by their confidence, in {BINS} bins of equal width: on the line, probabilities mean what they say. ECE: the "
    "mean distance from it, weighted by rows (larger dots: more rows); it was what stands behind `was` before the "
    "temperature that training fitted on val. Below: how many rows have which confidence."
)
GAIN = "What `tricue predict --abstain P` gains: rows less sure than P are left unanswered, the others are scored."


def class_sections(answers: Sequence[Answers]) -> list[Section]:
    """What a page shows of a model that answers with one class."""
    shares = "Large: share of the true class, in %. Small: rows. In brackets: rows of each class."
    left_out = Group([draw_coverage(answers)], "Score against coverage", GAIN, columns=1)
    held = [(own.title, own.calibration.get("held")) for own in answers]
    told = "".join(f" The temperature of {of.lower()} stayed 1: {why}." for of, why in held if why)
    calibration = side_by_side("Calibration", RELIABILITY + told, [draw_calibration(own) for own in answers])
    return [
        side_by_side("ROC", "Each class against all others.", [draw_roc(own) for own in answers]),
        side_by_side("Confusion matrix", shares, [draw_confusion(own) for own in answers]),
        replace(calibration, groups=[*calibration.groups, left_out]),
    ]


def draw_roc(answers: Answers) -> Drawn:
    """One against the rest, with the area under each curve (scikit-learn's `roc_curve`, `auc`)."""
    title, colours = answers.title, shared.emotion_colours(answers.names)
    areas: dict[str, float | None] = {}
    data, lines = {}, []
    legend = len(answers.names) <= MANY_CLASSES
    with canvas(4.2, _roc_height(answers.names) if legend else 4.2) as (figure, axes):
        ax = axes[0, 0]
        ax.plot([0, 100], [0, 100], color=shared.FAINT, linewidth=1)
        for column, emotion in enumerate(answers.names):
            truth = answers.targets == column
            if truth.all() or not truth.any():
                areas[emotion] = None
                continue
            false, true, _ = roc_curve(truth, answers.values[:, column])
            area = areas[emotion] = float(auc(false, true))
            rates = {"false_positive_rate": false.tolist(), "true_positive_rate": true.tolist()}
            data[emotion] = rates | {"auc": area}
            line = {"color": colours[emotion], "linestyle": shared.DASHES[column % 4]}
            lines += ax.plot(100 * false, 100 * true, linewidth=1.6 if legend else 0.8, **line)
        ax.set(xlabel="false positives, in %", ylabel="true positives, in %", title=title, aspect="equal",
               xlim=(-2, 102), ylim=(-2, 102))  # fmt: skip
        if data and legend:
            labels = [f"{short(emotion)} {numbers['auc']:.3f}" for emotion, numbers in data.items()]
            shared.class_legend(figure, lines, labels, 2, title="area under the curve")
    told = ", ".join(f"{e} {a:.3f}" for e, a in areas.items() if a is not None)
    none = [e for e, a in areas.items() if a is None]
    name = f"roc-{answers.key}"
    if not data:
        return Drawn(name, title, "", why_not="the rows are of one class: nothing stands against it")
    notes = [f"No curve for {listed(none, MANY_CLASSES)}: the rows hold none of it, or nothing else."] if none else []
    if not legend:
        notes.append(f"A curve for each of {len(data)} classes; their areas stand in {name}.json.")
    return Drawn(name, title, " ".join(notes), f"ROC curves, {title}; areas: {told}.", figure, data)


def _roc_height(emotions: Sequence[str]) -> float:
    """Inches: the plot, and the legend's lines under it."""
    columns = shared.legend_columns([f"{short(e)} 0.000" for e in emotions], 2)
    return 3.9 + 0.18 * math.ceil(len(emotions) / columns)


def draw_confusion(answers: Answers) -> Drawn:
    """Shares of each true class in %, and counts under them (scikit-learn's `confusion_matrix`)."""
    title, emotions = answers.title, answers.names
    n = len(emotions)
    counts = confusion_matrix(answers.targets, answers.values.argmax(axis=1), labels=range(n))
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    told = n <= TOLD
    cell = _CELL if told else min(_SHADE, (_SIDE - 3) / n)
    side = max(4.6, cell * n + 1.2) + 0.09 * max(0, max(len(short(e)) for e in emotions) - 8)
    with canvas(side if told else side + 1.6, side) as (figure, axes):
        ax = axes[0, 0]
        image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        if told:
            _draw_cells(ax, counts, shares, support[:, 0])
        else:
            figure.colorbar(image, ax=ax, shrink=0.5, label="share of the true class, in %")
        size = min(12.0, 0.7 * 72 * cell)
        if size >= _LEAST:
            slant = {"rotation": 40, "ha": "right"} if told else {"rotation": 90}
            ax.set_xticks(range(n), [short(e) for e in emotions], fontsize=size, **slant)
            rows = [f"{short(e)} ({s})" for e, s in zip(emotions, support[:, 0], strict=True)]
            ax.set_yticks(range(n), rows, fontsize=size)
        ax.set_xlabel("predicted", fontsize=13)
        ax.set_ylabel("true (rows)", fontsize=13)
        ax.set_title(title, fontsize=14)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    right = ", ".join(f"{e} {shares[i, i]:.0f}%" for i, e in enumerate(emotions) if support[i, 0])
    empty = [e for i, e in enumerate(emotions) if not support[i, 0]]
    notes = [f"The rows hold no {listed(empty, MANY_CLASSES)}."] if empty else []
    name = f"confusion-{answers.key}"
    if not told:
        notes.append(f"{n} classes: shades alone; shares and counts stand in {name}.json.")
    data = {"emotions": emotions, "counts": counts.tolist(), "shares_percent": shares.round(3).tolist()}
    alt = f"Confusion matrix, {title}; share of each class that is found: {right}."
    return Drawn(name, title, " ".join(notes), alt, figure, data)


def _draw_cells(ax: Any, counts: np.ndarray, shares: np.ndarray, support: np.ndarray) -> None:
    still = {"ha": "center", "va": "center", "in_layout": False}  # within the axes: nothing to make room for
    for i, j in np.ndindex(*counts.shape):
        ink = "white" if shares[i, j] > 55 else INK
        share = f"{shares[i, j]:.0f}" if support[i] else "–"
        ax.text(j, i - 0.13, share, color=ink, fontsize=14, **still)
        ax.text(j, i + 0.28, f"{counts[i, j]}", color=ink, fontsize=10, **still)
