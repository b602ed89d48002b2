"""Metrics as readable tables: percent, with the 95% interval in brackets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

HEADLINE = {"weighted_f1": "Weighted F1", "accuracy": "Accuracy", "macro_f1": "Macro F1", "uar": "UAR"}
MISSING = "–"


def metrics_table(metrics: Mapping[str, Any], title: str) -> Table:
    """One run: the headline numbers with their intervals, then the seed's table of classes.

    metrics: what `tricue.evaluation.metrics.score` returns.
    """
    table = Table(
        title=Text(title, style="bold"), caption=_caption(metrics), box=None, show_header=False, padding=0
    )
    table.add_row(_headline(metrics))
    table.add_row(_classes(metrics["per_class"]))
    if "corpora" in metrics:
        table.add_row(subsets_table(metrics["corpora"].items(), "Per corpus"))
    if "folds" in metrics:
        table.add_row(_folds(metrics["folds"]))
    if metrics.get("audit"):
        table.add_row(_audit(metrics["audit"]))
    for cue, told in metrics.get("tuned", {}).items():
        table.add_row(Text(f"Its {cue} encoder, {metrics['encoders'][cue]}, was tuned for emotion on {told}: that may "
                           f"overlap {metrics['corpus']}."))  # fmt: skip
    return table


def subsets_table(rows: Iterable[tuple[str, Mapping[str, Any]]], title: str | None = None) -> Table:
    """Several runs under one another, as (name, metrics) pairs."""
    table = Table(title=None if title is None else Text(title, style="bold"), box=box.SIMPLE)
    table.add_column("Run")
    for heading in (*HEADLINE.values(), "n"):
        table.add_column(heading, justify="right", no_wrap=heading == HEADLINE["weighted_f1"])
    for name, metrics in rows:
        first, *others = HEADLINE
        numbers = (percent(metrics[key]) for key in others)
        table.add_row(Text(name), percent_with_interval(metrics[first]), *numbers, str(metrics["n"]))
    return table


def as_text(table: Table, width: int = 100) -> str:
    """The table as plain text without colours, for files and logs."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, markup=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def percent(number: Mapping[str, float | None]) -> str:
    """`61.2`, or a dash where the number is undefined."""
    value = number["value"]
    return MISSING if value is None else f"{100 * value:.1f}"


def percent_with_interval(number: Mapping[str, float | None]) -> str:
    """`61.2 [58.9, 63.4]`; the brackets stand only where there is an interval."""
    low, high = number["low"], number["high"]
    if low is None or high is None:
        return percent(number)
    return f"{percent(number)} [{100 * low:.1f}, {100 * high:.1f}]"


def _headline(metrics: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(no_wrap=True)
    for name, heading in HEADLINE.items():
        table.add_row(heading, percent_with_interval(metrics[name]) + _spread(metrics["seeds"]["std"][name]))
    return table


def _spread(std: float | None) -> str:
    return "" if std is None else f"  ± {100 * std:.1f} over seeds"


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE, collapse_padding=True, pad_edge=False)  # narrow: fits 80 columns
    table.add_column("Emotion", overflow="fold")  # a long name takes two lines, a number is never cut
    for heading in ("Accuracy", "Precision", "Recall", "F1", "AUC", "Support"):
        table.add_column(heading, justify="right", no_wrap=True)
    for emotion, numbers in per_class.items():
        table.add_row(
            Text(emotion),
            *(percent(numbers[name]) for name in ("accuracy", "precision", "recall")),
            percent_with_interval(numbers["f1"]),
            percent(numbers["auc"]),
            str(numbers["support"]),
        )
    return table


def _folds(folds: Mapping[str, Any]) -> Table:
    """A row per fold, then their mean and standard deviation."""
    table = Table(title=Text("Per fold", style="bold"), box=box.SIMPLE)
    table.add_column("Left out")
    for heading in (*HEADLINE.values(), "n"):
        table.add_column(heading, justify="right")
    for fold, scores in folds["each"].items():
        table.add_row(Text(fold), *(f"{100 * scores[name]:.1f}" for name in HEADLINE), str(scores["n"]))
    spread = [f"{100 * folds['mean'][name]:.1f}" + _plus_minus(folds["std"][name]) for name in HEADLINE]
    table.add_row("mean ± std", *spread, "", style="bold")
    return table


def _plus_minus(std: float | None) -> str:
    return "" if std is None else f" ± {100 * std:.1f}"


def _audit(audit: Mapping[str, Any]) -> Text:
    """The leakage audit of the training run, in a few lines: what did not pass."""
    text = Text(f"Leakage audit of the rows it was trained on: {audit['verdict']}")
    for name, check in audit["checks"].items():
        if check["verdict"] != "pass":
            text.append(f"\n  {check['verdict']}: {name}: {check['found']}")
    return text


def _caption(metrics: Mapping[str, Any]) -> Text:
    interval, seeds = metrics["interval"], metrics["seeds"]["n"]
    unit = f"{interval['groups']} {interval['unit']}{'' if interval['groups'] == 1 else 's'}"
    how = interval["mark"] or f"{interval['draws']} draws"
    mean = f"; mean of {seeds} seeds" if seeds > 1 else ""
    seen = ", ".join(f"{cue} {rows}" for cue, rows in metrics.get("coverage", {}).items())
    seen = f" (rows with {seen})" if seen else ""
    level = f"{100 * interval['level']:.0f}% intervals"
    return Text(f"n = {metrics['n']}{seen}; {level} over {unit} ({how}){mean}")
