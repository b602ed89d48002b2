"""The multilabel task: precision and recall of each label, F1 as labels are decided, whether probabilities come true.

Legend: N rows, C labels; `Answers.targets` (N, C) 0 or 1, `Answers.values` (N, C, 2) probability, and 1 where named.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, precision_recall_fscore_support

from tricue.figures.canvas import FAINT, INK, Drawn, canvas, short
from tricue.figures.page_parts import Answers, Section, side_by_side
from tricue.figures.panels import draw_panels, head, line_of, panel_section
from tricue.metrics.confidence import reliability

POINTS = 200  # of a curve that are drawn, at most
_BAR, _TALL = 0.26, 18.0  # inches: of a label, of all of them at most
_LEAST = 5.0  # points of type that can still be read, magnified

CURVES = (
    "Precision over recall of each label, as its threshold falls. Dots: at the threshold of the model. AP: average "
    "precision. Dashed: the share of the rows that have the label, which guessing reaches."
)
BARS = (
    "Bars: F1 of each label at its threshold, which training chose on val; on the right, where it is one for all rows. "
    "In brackets: rows that have the label."
)
RELIABILITY = "Of the rows with such a probability, the share that has the label: on the line, probabilities come true."


def label_sections(answers: Sequence[Answers]) -> list[Section]:
    """What a page shows of a model that answers with a set of labels."""
    return [
        panel_section("Precision and recall", CURVES, draw_precision(answers)),
        side_by_side("F1 of each label", BARS, [draw_f1(own) for own in answers]),
        panel_section("Calibration", RELIABILITY, draw_reliability(answers)),
    ]


def draw_precision(answers: Sequence[Answers]) -> list[Drawn]:
    """A panel per label, with a curve per model (scikit-learn's `precision_recall_curve`)."""
    truth, names = answers[0].targets > 0.5, answers[0].names

    def draw(ax: Any, k: int) -> tuple[str, Any]:
        own = truth[:, k]
        ax.set(xlim=(-2, 102), ylim=(-2, 102))
        if not own.any():
            head(ax, names[k], "no row has it")
            return "is of no row", None
        ax.axhline(100 * own.mean(), color=FAINT, linewidth=1, linestyle="--")
        data = {model.title: _curve(own, model.values[:, k]) for model in answers}
        for i, (model, curve) in enumerate(zip(answers, data.values(), strict=True)):
            ax.plot(100 * np.array(curve["recall"]), 100 * np.array(curve["precision"]), **line_of(answers, i))
            ax.plot(100 * curve["at"][0], 100 * curve["at"][1], "o", color=model.colour, ms=5)
        shown = next(data[model.title] for model in answers if model.is_shown)
        head(ax, names[k], f"AP {100 * shown['ap']:.1f}")
        return ", ".join(f"{100 * curve['ap']:.1f}" for curve in data.values()), data

    return draw_panels("precision-recall", "Precision over recall; average precision", names, draw,
                       across="recall, in %", up="precision, in %")  # fmt: skip


def _curve(truth: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """values: (N, 2) of one label."""
    precision, recall, _ = precision_recall_curve(truth, values[:, 0])
    kept = np.unique(np.linspace(0, len(recall) - 2, POINTS).round().astype(int))  # not the point of no row, at 0
    at = precision_recall_fscore_support(truth, values[:, 1] > 0.5, average="binary", zero_division=0)
    return {
        "recall": recall[kept].tolist(), "precision": precision[kept].tolist(),
        "at": [float(at[1]), float(at[0])], "ap": float(average_precision_score(truth, values[:, 0])),
    }  # fmt: skip


def draw_f1(answers: Answers) -> Drawn:
    """Precision, recall and F1 of each label as it is decided (scikit-learn)."""
    title, names, truth = answers.title, answers.names, answers.targets > 0.5
    numbers = precision_recall_fscore_support(truth, answers.values[..., 1] > 0.5, average=None, zero_division=0)
    precision, recall, f1, support = (np.asarray(own) for own in numbers)
    thresholds = answers.calibration.get("thresholds")
    places, cell = np.arange(len(names)), min(_BAR, _TALL / len(names))
    with canvas(4.2, 1.3 + cell * len(names)) as (figure, axes):
        ax = axes[0, 0]
        ax.barh(places, 100 * f1, 0.7, color=answers.colour, alpha=0.75, label="F1")
        for values, marker, label in ((precision, "|", "precision"), (recall, "x", "recall")):
            ax.plot(100 * values, places, marker, color=INK, ms=5, label=label)
        for place, threshold in zip(places, thresholds or (), strict=False):
            at = {"transform": ax.get_yaxis_transform(), "fontsize": min(8.0, 60 * cell)}
            ax.text(1.05, place, f"≥ {threshold:.2f}", va="center", **at)
        size = min(9.0, 60 * cell)
        rows = [f"{short(name)} ({count})" for name, count in zip(names, support, strict=True)]
        ax.set_yticks(places, rows if size >= _LEAST else [""] * len(rows), fontsize=size)
        ax.set(xlim=(0, 102), ylim=(len(names) - 0.4, -0.6), xlabel="in %", title=title)
        ax.grid(axis="y", visible=False)
        figure.legend(loc="outside lower center", ncols=3)
    each = [
        {"f1": float(f), "precision": float(p), "recall": float(r), "support": int(n)}
        for f, p, r, n in zip(f1, precision, recall, support, strict=True)
    ]
    told = ", ".join(f"{name} {100 * own['f1']:.1f}" for name, own in zip(names, each, strict=True))
    data = {"labels": dict(zip(names, each, strict=True)), "thresholds": thresholds}
    return Drawn(f"f1-{answers.key}", title, "", f"F1 of each label, {title}: {told}.", figure, data)


def draw_reliability(answers: Sequence[Answers]) -> list[Drawn]:
    """A panel per label, with a line per model over its bins of probability; rows without an answer are left out."""
    names = answers[0].names

    def draw(ax: Any, k: int) -> tuple[str, Any]:
        ax.plot([0, 100], [0, 100], color=FAINT, linewidth=1)
        ax.set(xlim=(-2, 102), ylim=(-2, 102))
        data = {}
        for i, model in enumerate(answers):
            if not model.answered.any():
                continue
            chances, truth = model.values[model.answered, k, 0], model.targets[model.answered, k] > 0.5
            found = data[model.title] = reliability(chances, truth)
            points = np.array([[bin["confidence"], bin["accuracy"], bin["rows"]] for bin in found["bins"]])
            ax.plot(100 * points[:, 0], 100 * points[:, 1], **line_of(answers, i))
            if model.is_shown:
                sizes = 8 + 80 * points[:, 2] / points[:, 2].sum()
                ax.scatter(100 * points[:, 0], 100 * points[:, 1], sizes, color=model.colour, zorder=3)
                head(ax, names[k], f"ECE {100 * found['ece']:.1f}")
        return ", ".join(f"{100 * own['ece']:.1f}" for own in data.values()), data

    return draw_panels("calibration", "Reliability; expected calibration error", names, draw,
                       across="probability, in %", up="rows with the label, in %",
                       caption=answers[0].left_out)  # fmt: skip
