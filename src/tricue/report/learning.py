"""Learning curves over all phases, and whether the counterfactual part is alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from tricue.report.figure import CUE_COLOURS, DASHES, INK, MARKERS, PHASE_COLOURS, Drawn, canvas
from tricue.report.readings import Reading
from tricue.types import CUES

History = Sequence[dict[str, Any]]
Line = tuple[str, str, str]  # key of a history row, what the legend says, colour

TRAIN, VAL, THIRD, FOURTH = "#7A7A7A", "#332288", "#CC6677", "#117733"
BORDERS = "Vertical lines: borders of the phases. Stars: the epoch that each phase kept."
WITHOUT = "the run's history.json does not lie beside the model"


def draw_learning(history: History) -> list[Drawn]:
    """Accuracy, loss, the parts of the loss, the learning rate: one picture each, all phases in a row."""
    pictures: list[tuple[str, str, str, list[Line], bool]] = [
        ("accuracy", "Accuracy and weighted F1", "share, in %", [
            ("train_accuracy", "train accuracy", TRAIN), ("val_accuracy", "val accuracy", VAL),
            ("val_weighted_f1", "val weighted F1", THIRD),
        ], False),
        ("loss", "Loss", "loss (nats)", [
            ("train_loss", "train, all terms weighted", TRAIN), ("train_focal_loss", "train, focal alone", THIRD),
            ("val_loss", "val, focal alone", VAL),
        ], False),
        ("loss-parts", "Parts of the training loss, unweighted", "loss (nats)", [
            ("train_focal_loss", "focal", TRAIN), ("train_alignment_loss", "alignment", VAL),
            ("train_intention_loss", "intention", THIRD), ("train_minimal_change_loss", "minimal change", FOURTH),
        ], True),
        ("rate", "Learning rate at the end of each epoch", "rate", [("rate", "rate", VAL)], True),
    ]  # fmt: skip
    return [
        _draw_curves(history, f"learning-{name}", title, unit, lines, logarithmic)
        for name, title, unit, lines, logarithmic in pictures
    ]


def _draw_curves(
    history: History, name: str, title: str, unit: str, lines: Sequence[Line], logarithmic: bool
) -> Drawn:
    known = [line for line in lines if any(line[0] in row for row in history)]
    if not known:
        return Drawn(name, title, "", why_not=WITHOUT if not history else "the run did not record it")
    scale = 100.0 if unit.endswith("%") else 1.0
    epochs = np.arange(1, len(history) + 1)
    data: dict[str, Any] = {"epoch": epochs.tolist(), "phase": [row["phase"] for row in history]}
    with canvas(4.4, 3.6) as (figure, axes):
        ax = axes[0, 0]
        for i, (key, label, colour) in enumerate(known):
            values = np.array([row.get(key, np.nan) for row in history], dtype=float) * scale
            data[key] = [None if np.isnan(v) else float(v) for v in values]
            ax.plot(
                epochs, values, color=colour, label=label, linestyle=DASHES[i % 4], marker=MARKERS[i], ms=4
            )
        if logarithmic and all(np.nanmin(np.array(data[k], dtype=float)) > 0 for k, _, _ in known):
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            if ax.get_ylim()[1] < 100 * ax.get_ylim()[0]:  # few whole powers of ten
                ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
                ax.yaxis.set_minor_formatter("{x:g}")
            else:
                ax.yaxis.set_minor_formatter(NullFormatter())
        _mark_phases(ax, history)
        ax.set(xlabel="epoch, over all phases", ylabel=unit)
        ax.set_title(title, pad=20)  # the phases' names stand between
        figure.legend(loc="outside lower center", ncols=2)
    told = "; ".join(f"{label} from {_first(data[key])} to {_last(data[key])}" for key, label, _ in known)
    return Drawn(name, title, "", f"{title} over {len(history)} epochs: {told}.", figure, data)


def _mark_phases(ax: Any, history: History) -> None:
    """A line where a phase begins, its name over it, a star at the epoch that it kept."""
    phases = [row["phase"] for row in history]
    for phase in sorted(set(phases)):
        first, count = phases.index(phase) + 1, phases.count(phase)
        if first > 1:
            ax.axvline(first - 0.5, color=INK, linewidth=0.8)
        middle = first + (count - 1) / 2
        ax.text(middle, 1.01, f"phase {phase}", transform=ax.get_xaxis_transform(), ha="center", va="bottom",
                fontsize=9, color=PHASE_COLOURS[phase])  # fmt: skip
        best = [i for i, row in enumerate(history, start=1) if row["phase"] == phase and row.get("best")]
        if best:
            ax.plot(best[-1], 0.03, "*", color=INK, ms=9, transform=ax.get_xaxis_transform(), clip_on=False)
    ax.set_xlim(0.5, len(history) + 0.5)
    ax.xaxis.get_major_locator().set_params(integer=True)


def draw_counterfactual(history: History, readings: Sequence[Reading]) -> list[Drawn]:
    """a_m over the epochs; |H_cf - H_org| / |H_org| and flipped predictions, in training and on the scored rows."""
    strengths: list[Line] = [(f"a_{cue}", cue, CUE_COLOURS[cue]) for cue in CUES]
    moved: list[Line] = [("train_change", "|H_cf − H_org| / |H_org|", VAL), ("train_flips", "flipped", THIRD)]
    return [
        _draw_curves(history, "counterfactual-strength", "How strong the change is: a_m per cue", "a_m",
                     strengths, False),
        _draw_curves(history, "counterfactual-change", "What it moves in training",
                     "share of H, share of rows, in %", moved, False),
        _draw_moved(readings),
    ]  # fmt: skip


def _draw_moved(readings: Sequence[Reading]) -> Drawn:
    """On the scored rows that have a cue, per phase."""
    name, title = "counterfactual-moved", "What it moves on the scored rows"
    if not any(len(r.change) for r in readings):
        return Drawn(name, title, "", why_not="no scored row has a cue that can be used")
    change = [100 * float(r.change.mean()) for r in readings]
    flips = [100 * float(r.flips.mean()) for r in readings]
    with canvas(4.4, 3.6) as (figure, axes):
        ax, places = axes[0, 0], np.arange(len(readings))
        for offset, values, label, colour in (
            (-0.2, change, "|H_cf − H_org| / |H_org|, mean", VAL),
            (0.2, flips, "rows whose class flips under H_cf", THIRD),
        ):
            bars = ax.bar(places + offset, values, 0.38, color=colour, label=label)
            ax.bar_label(bars, fmt="%.1f", fontsize=9)
        ax.set_xticks(places, [f"phase {r.phase}" for r in readings])
        ax.set(ylabel="share, in %", title=title)
        ax.grid(axis="x", visible=False)
        ax.margins(y=0.12)
        figure.legend(loc="outside lower center")
    data = {"phase": [r.phase for r in readings], "change": change, "flips": flips}
    told = "; ".join(
        f"phase {r.phase}: change {c:.1f}%, flips {f:.1f}%"
        for r, c, f in zip(readings, change, flips, strict=True)
    )
    return Drawn(name, title, "", f"{title}: {told}.", figure, data)


def _first(values: Sequence[float | None]) -> str:
    return next(f"{v:.3g}" for v in values if v is not None)


def _last(values: Sequence[float | None]) -> str:
    return _first(values[::-1])
