"""Learning curves over all phases, and whether the counterfactual part is alive."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from tricue.evaluation.metrics_table import in_prose
from tricue.figures.canvas import DASHES, INK, MARKERS, PHASE_COLOURS, Drawn, canvas
from tricue.figures.page_parts import Group, Section
from tricue.registry import MODALITIES
from tricue.report.readings import Material, Reading
from tricue.tasks.task import Task

History = Sequence[dict[str, Any]]
Line = tuple[str, str, str]  # key of a history row, what the legend says, colour

TRAIN, VAL, THIRD, FOURTH, FIFTH = "#7A7A7A", "#332288", "#CC6677", "#117733", "#88CCEE"
BORDERS = "Vertical lines: borders of the phases. Stars: the epoch that each phase kept."
ALIVE = (
    "a_m: how far a modality's counterfactual features lean to their transformation. In training H and H_cf share "
    "their dropout; the scored rows are read without dropout. In phase 1 the counterfactual part is not trained yet: "
    "what it moves is its start."
)
# of an epoch's row in history.json: losses beside the task's, and what else of training is no measure of the answers
TERMS = (
    "train_loss", "train_auxiliary_loss", "train_alignment_loss", "train_intention_loss", "train_minimal_change_loss",
)  # fmt: skip
NO_MEASURE = ("_loss", "_change", "_flips")
WITHOUT = "the run's history.json does not lie beside the model"


def learning_sections(page: Material) -> list[Section]:
    intro = "Training and val over all phases; then what shows whether the counterfactual part is alive."
    curves = Group(draw_learning(page.history, page.task), caption=BORDERS if page.history else "", columns=2)
    alive = Group(draw_counterfactual(page.history, page.readings), "The counterfactual part", ALIVE)
    return [Section("Learning curves", intro, groups=[curves, alive])]


def draw_learning(history: History, task: Task | type[Task]) -> list[Drawn]:
    """Scores, loss, the parts of the loss, the learning rate: one picture each, all phases in a row."""
    keys = list(dict.fromkeys(key for row in history for key in row))
    term = next((k for k in keys if k.startswith("train_") and k.endswith("_loss") and k not in TERMS), "train_loss")
    loss = term.removeprefix("train_").removesuffix("_loss").replace("_", " ")
    pictures: list[tuple[str, str, str, list[Line], bool]] = [
        *_scores(keys, task),
        ("loss", "Loss", "loss", [
            ("train_loss", "train, all terms weighted", TRAIN), (term, f"train, {loss} alone", THIRD),
            ("val_loss", f"val, {loss} alone", VAL),
        ], False),
        ("loss-parts", "Parts of the training loss, unweighted", "loss", [
            (term, loss, TRAIN), ("train_auxiliary_loss", "each modality alone", FIFTH),
            ("train_alignment_loss", "alignment", VAL), ("train_intention_loss", "intention", THIRD),
            ("train_minimal_change_loss", "minimal change", FOURTH),
        ], True),
        ("rate", "Learning rate at the end of each epoch", "rate", [("rate", "rate", VAL)], True),
    ]  # fmt: skip
    return [
        _draw_curves(history, f"learning-{name}", title, unit, lines, logarithmic)
        for name, title, unit, lines, logarithmic in pictures
    ]


def _scores(keys: Sequence[str], task: Task | type[Task]) -> list[tuple[str, str, str, list[Line], bool]]:
    """The scores on val, with the accuracy in training; another measure of training has a picture of its own."""
    measure = next((k for k in keys if k.startswith("train_") and not k.endswith(NO_MEASURE)), "train_accuracy")
    name = measure.removeprefix("train_")
    words = {f"val_{score}": in_prose(heading) for score, heading in task.numbers.items()}
    vals = [key for key in keys if key.startswith("val_") and key != "val_loss"] or [f"val_{task.selected}"]
    if task.is_share and name == "accuracy":
        known = [(measure, "train accuracy", TRAIN)]
        known += [
            (key, f"val {words.get(key, key[4:])}", c) for key, c in zip(vals, (VAL, THIRD, FOURTH), strict=False)
        ]
        title = ", ".join(dict.fromkeys(label.partition(" ")[2] for _, label, _ in known))
        return [(name, title[0].upper() + title[1:], "share, in %", known, False)]
    unit, key = ("share, in %" if task.is_share else task.selected_words), f"val_{task.selected}"
    return [
        (task.selected, f"Val {task.selected_words}", unit, [(key, f"val {task.selected_words}", VAL)], False),
        (name, f"{name.capitalize()} in training", f"mean {name}", [(measure, f"train {name}", TRAIN)], False),
    ]


def _draw_curves(history: History, name: str, title: str, unit: str, lines: Sequence[Line], logarithmic: bool) -> Drawn:
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
            line = {"color": colour, "linestyle": DASHES[i % 4], "marker": MARKERS[i], "ms": 4}
            ax.plot(epochs, values, label=label, **line)
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
    strengths: list[Line] = [
        (f"a_{modality}", modality, MODALITIES[modality].colour)
        for modality in MODALITIES
        if any(f"a_{modality}" in row for row in history)
    ]
    moved: list[Line] = [("train_change", "|H_cf − H_org| / |H_org|", VAL), ("train_flips", "flipped", THIRD)]
    return [
        _draw_curves(history, "counterfactual-strength", "How strong the change is: a_m per modality", "a_m",
                     strengths, False),
        _draw_curves(history, "counterfactual-change", "What it moves in training",
                     "share of H, share of rows, in %", moved, False),
        _draw_moved(readings),
    ]  # fmt: skip


def _draw_moved(readings: Sequence[Reading]) -> Drawn:
    """On the scored rows that have a modality, per phase."""
    name, title = "counterfactual-moved", "What it moves on the scored rows"
    if not any(len(r.change) for r in readings):
        return Drawn(name, title, "", why_not="no scored row has a modality that can be used")
    change = [100 * float(r.change.mean()) for r in readings]
    flips = [100 * float(r.flips.mean()) for r in readings]
    with canvas(4.4, 3.6) as (figure, axes):
        ax, places = axes[0, 0], np.arange(len(readings))
        for offset, values, label, colour in (
            (-0.2, change, "|H_cf − H_org| / |H_org|, mean", VAL),
            (0.2, flips, "rows whose answer flips under H_cf", THIRD),
        ):
            bars = ax.bar(places + offset, values, 0.38, color=colour, label=label)
            ax.bar_label(bars, fmt="%.1f", fontsize=9)
        ax.set_xticks(places, [f"phase {r.phase}" for r in readings])
        ax.set(ylabel="share, in %", title=title)
        ax.grid(axis="x", visible=False)
        ax.margins(y=0.12)
        figure.legend(loc="outside lower center")
    data = {"phase": [r.phase for r in readings], "change": change, "flips": flips}
    each = zip([r.phase for r in readings], change, flips, strict=True)
    told = "; ".join(f"phase {phase}: change {c:.1f}%, flips {f:.1f}%" for phase, c, f in each)
    return Drawn(name, title, "", f"{title}: {told}.", figure, data)


def _first(values: Sequence[float | None]) -> str:
    return next(f"{v:.3g}" for v in values if v is not None)


def _last(values: Sequence[float | None]) -> str:
    return _first(values[::-1])
