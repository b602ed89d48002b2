"""The page of several runs (seeds, folds), and of each run its own: what `tricue evaluate` and `report` leave."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tricue.checkpoint import checkpoint_folder
from tricue.evaluation.evaluate import Evaluation
from tricue.evaluation.runs import Together, measure_all, run_model
from tricue.evaluation.table import HEADLINE, percent, percent_with_interval
from tricue.files import check_place
from tricue.locks import locked
from tricue.report.figure import INK, PHASE_COLOURS, Drawn, canvas, short
from tricue.report.page import Group, Link, Section, Table
from tricue.report.published import published_section
from tricue.report.readings import Pooled, class_numbers
from tricue.report.report import PAGE, make_report, write_report
from tricue.report.sections import (
    classes_section,
    confusion_section,
    reliability_section,
    roc_section,
    study_sections,
)
from tricue.report.studies import read_studies
from tricue.training.runs import Run, read_runs

logger = logging.getLogger(__name__)


def make_pages(model_path: Path, *, out: Path, points: int | None = None, **choices: Any) -> Path:
    """`make_report` of a checkpoint; of a folder that `train` filled with several runs, the page of each in a folder of
    its own in `out` and report.html as their summary. The path of report.html; arguments as `make_report` takes them.
    """
    folder = checkpoint_folder(model_path)
    runs = read_runs(folder)
    if not runs:
        return make_report(model_path, out=out, points=points, **choices)
    check_place(out / PAGE)
    with locked(out):
        studies = read_studies(out)
        together = measure_all(folder, **choices)
        for number, run in enumerate(runs, start=1):
            logger.info("Report %d of %d: %s", number, len(runs), run)
            make_report(run_model(folder, run), out=out / run.folder, points=points, **choices)
        metrics = together.metrics
        pooled, folds = together.pooled, "folds" in metrics
        seeds = [Pooled(name, own, class_numbers(own), folds) for name, own in pooled.items()]
        parts = [
            runs_section(together),
            confusion_section(seeds),
            roc_section(seeds),
            reliability_section(seeds),
            classes_section(metrics, _together(together)),
            *study_sections(studies, metrics),
            *published_section(metrics),
        ]
        return write_report(out, metrics, f"{folder} ({len(runs)} runs, each with a page of its own)", parts)


def runs_section(together: Together) -> Section:
    """Each run's scores on its own rows and the way to its page, then those of all together."""
    rows: list[list[str | Link]] = [_row(run, own) for run, own in together.measured]
    metrics = together.metrics
    every = [
        percent_with_interval(metrics["weighted_f1"]),
        *(percent(metrics[n]) for n in list(HEADLINE)[1:]),
    ]
    rows.append([_together(together), *every, str(metrics["n"]), "", "", ""])
    headings = ["", *HEADLINE.values(), "n", "Phase", "Val weighted F1", "Page"]
    table = Table(headings, rows, _spread(metrics), strong=len(rows) - 1)
    intro = "Each run on the rows that it is scored on. Its page shows its phases, learning curves, maps and cases."
    return Section("Runs", intro, [table], [Group([draw_runs(together)], columns=1, wide=True)])


def _row(run: Run, own: Evaluation) -> list[str | Link]:
    m, val = own.metrics, own.card.val_weighted_f1
    return [
        str(run),
        percent_with_interval(m["weighted_f1"]),
        *(percent(m[name]) for name in list(HEADLINE)[1:]),
        str(m["n"]),
        str(own.card.phase),
        "–" if val is None else f"{100 * val:.1f}",
        Link("report", f"{run.folder}/{PAGE}"),
    ]


def _together(together: Together) -> str:
    seeds, folds = together.metrics["seeds"]["n"], together.metrics.get("folds")
    return ("all folds together" if folds else "all runs") + (f", mean of {seeds}" if seeds > 1 else "")


def _spread(metrics: Mapping[str, Any]) -> str:
    """The standard deviations over seeds and over folds."""
    told = []
    over_seeds = metrics["seeds"]["std"]["weighted_f1"]
    if over_seeds is not None:
        told.append(f"{100 * over_seeds:.1f} points over {metrics['seeds']['n']} seeds")
    folds = metrics.get("folds")
    if folds and folds["std"]["weighted_f1"] is not None:
        told.append(f"{100 * folds['std']['weighted_f1']:.1f} points over {len(folds['each'])} folds")
    return f"Standard deviation of the weighted F1: {'; '.join(told)}." if told else ""


def draw_runs(together: Together) -> Drawn:
    """Weighted F1 of each run with its interval, and of all together."""
    rows = [(str(run), own.metrics["weighted_f1"], PHASE_COLOURS[3]) for run, own in together.measured]
    rows.append((_together(together), together.metrics["weighted_f1"], INK))
    with canvas(8, 1.1 + 0.34 * len(rows)) as (figure, axes):
        ax = axes[0, 0]
        for place, (_, number, colour) in enumerate(rows):
            if number["low"] is not None:
                ax.plot(
                    [100 * number["low"], 100 * number["high"]], [place, place], color=colour, linewidth=2
                )
            ax.plot(100 * number["value"], place, "o", color=colour, ms=7)
        ax.set_yticks(range(len(rows)), [_short(name) for name, _, _ in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)  # from top to bottom
        ax.axhline(len(rows) - 1.5, color=INK, linewidth=0.8)
        ax.set(xlabel="weighted F1, in %")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
    told = "; ".join(f"{name} {percent_with_interval(number)}" for name, number, _ in rows)
    data = {name: number for name, number, _ in rows}
    title = "Weighted F1 of each run"
    return Drawn(
        "runs", title, "With 95% intervals over the rows of each.", f"{title}: {told}.", figure, data
    )


def _short(name: str) -> str:
    """The name of a run; of a fold's name, which may be long, what a figure shows."""
    seed, _, fold = name.partition(", fold ")
    return f"{seed}, fold {short(fold)}" if fold else name
