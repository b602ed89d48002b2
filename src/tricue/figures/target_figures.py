"""The dimensional task: values against labels, errors over the true value, residuals, a panel per target.

Legend: N rows, K targets; `Answers.targets` and `Answers.values` (N, K), in the unit of each target.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.figures.canvas import FAINT, INK, Drawn
from tricue.figures.page_parts import Answers, Section
from tricue.figures.panels import draw_panels, head, line_of, panel_section
from tricue.metrics.target_metrics import concordance

DOTS = 2000  # rows of a scatter, at most
MANY = 3000  # dots of all targets, from which on the page holds pixels
BINS = 8  # of the true value, of equal width

SCATTER = (
    "A dot per row, over its true value: on the line, both are the same. CCC: how near the dots are to that line. A "
    "model that is unsure keeps to the middle, and its dots lie flatter than the line."
)
ERRORS = (
    f"Rows in {BINS} bins of equal width by their true value (larger dots: more rows). Lines with dots: mean absolute "
    "error. Thin line: mean error, above 0 where values are too high."
)
RESIDUALS = "Value less true value, in shares of the rows. A row without a usable modality gets the training mean."


def target_sections(answers: Sequence[Answers]) -> list[Section]:
    """What a page shows of a model that answers with values."""
    shown = [own for own in answers if own.is_shown] or answers[:1]
    scatters = {own.key: draw_scatter(own) for own in answers}
    seen = [drawn for own in shown[:1] for drawn in scatters.pop(own.key)]
    folded = [drawn for own in scatters.values() for drawn in own]
    return [
        panel_section("Values against labels", SCATTER, seen, folded),
        panel_section("Error over the true value", ERRORS, draw_errors(answers)),
        panel_section("Residuals", RESIDUALS, draw_residuals(answers)),
    ]


def draw_scatter(answers: Answers) -> list[Drawn]:
    """Values over true values, with the line where both are equal."""
    kept = np.arange(len(answers.targets))
    if len(kept) > DOTS:
        kept = np.sort(np.random.default_rng(0).choice(kept, DOTS, replace=False))
    agreement = concordance(answers.targets.astype(np.float64), answers.values)

    def draw(ax: Any, k: int) -> tuple[str, Any]:
        truth, values = answers.targets[:, k], answers.values[:, k]
        low, high = min(truth.min(), values.min()), max(truth.max(), values.max())
        room = 0.04 * (high - low or 1.0)
        ax.plot([low, high], [low, high], color=INK, linewidth=0.8)
        ax.scatter(truth[kept], values[kept], 8, color=answers.colour, alpha=0.35, linewidths=0)
        ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
        ax.locator_params(nbins=5)
        told = "undefined" if np.isnan(agreement[k]) else f"{agreement[k]:.3f}"
        head(ax, answers.names[k], f"{answers.title}, CCC {told}" if len(answers.names) == 1 else f"CCC {told}")
        return told, {"label": truth[kept].tolist(), "value": values[kept].tolist()}

    few = f"{DOTS} of {len(answers.targets)} rows, drawn at random." if len(kept) < len(answers.targets) else ""
    return draw_panels(f"scatter-{answers.key}", f"{answers.title}: values over true values; CCC", answers.names, draw,
                       across="true value", up="value said", caption=few,
                       many_points=kept.size * len(answers.names) > MANY)  # fmt: skip


def draw_errors(answers: Sequence[Answers]) -> list[Drawn]:
    """Mean absolute and mean error over bins of the true value, a line per model."""
    names = answers[0].names

    def draw(ax: Any, k: int) -> tuple[str, Any]:
        data = {own.title: error_by_bin(own.targets[:, k], own.values[:, k]) for own in answers}
        ax.axhline(0, color=FAINT, linewidth=1)
        for i, (own, bins) in enumerate(zip(answers, data.values(), strict=True)):
            across, up = ([bin[key] for bin in bins] for key in ("label", "absolute"))
            ax.plot(across, up, **line_of(answers, i))
            if own.is_shown:
                sizes = [8 + 80 * bin["rows"] / len(own.targets) for bin in bins]
                ax.scatter(across, up, sizes, color=own.colour, zorder=3)
                ax.plot(across, [bin["error"] for bin in bins], color=own.colour, linewidth=0.7)
                mean = float(np.abs(own.values[:, k] - own.targets[:, k]).mean())
                head(ax, names[k], f"MAE {mean:.3f}")
        ax.locator_params(nbins=5)
        ends = [f"{bins[0]['absolute']:.2f} to {bins[-1]['absolute']:.2f}" for bins in data.values()]
        return ", ".join(ends), data

    return draw_panels("error-by-value", "Mean absolute error, from the lowest true values to the highest", names, draw,
                       across="true value", up="error")  # fmt: skip


def error_by_bin(truth: np.ndarray, values: np.ndarray) -> list[dict[str, Any]]:
    """Of each bin of the true value that holds rows: how many, and their mean label and errors; (N,) both."""
    edges = np.linspace(truth.min(), truth.max(), BINS + 1)
    place = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, BINS - 1)
    apart = values - truth
    return [
        {"rows": int(own.sum()), "label": float(truth[own].mean()), "absolute": float(np.abs(apart[own]).mean()),
         "error": float(apart[own].mean())}
        for own in (place == b for b in range(BINS)) if own.any()
    ]  # fmt: skip


def draw_residuals(answers: Sequence[Answers]) -> list[Drawn]:
    """How values differ from true values, an outline per model."""
    names = answers[0].names

    def draw(ax: Any, k: int) -> tuple[str, Any]:
        apart = {own.title: own.values[:, k] - own.targets[:, k] for own in answers}
        reach = max(float(np.abs(own).max()) for own in apart.values()) or 1.0
        edges = np.linspace(-reach, reach, 22)
        ax.axvline(0, color=INK, linewidth=0.8)
        data = {}
        for i, (own, values) in enumerate(zip(answers, apart.values(), strict=True)):
            counts, _ = np.histogram(values, edges)
            ax.stairs(100 * counts / len(values), edges, **line_of(answers, i))
            spread = {"mean": float(values.mean()), "std": float(values.std())}
            data[own.title] = {"edges": edges.tolist(), "rows": counts.tolist(), **spread}
            if own.is_shown:
                head(ax, names[k], f"{spread['mean']:+.2f} ± {spread['std']:.2f}")
        ax.locator_params(nbins=5)
        return ", ".join(f"{own['mean']:+.2f} ± {own['std']:.2f}" for own in data.values()), data

    return draw_panels("residuals", "Residuals; mean and deviation", names, draw,
                       across="value less true value", up="rows, in %")  # fmt: skip
