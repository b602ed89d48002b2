"""Scores as tables of the page: phase by phase, by class or target; and what a network costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from tricue.evaluation.info import SEED_GFLOPS, SEED_PARAMETERS, TYPICAL_SECONDS, typical_utterance
from tricue.evaluation.metrics_table import (
    MISSING,
    baseline_headings,
    baseline_lines,
    baseline_rows,
    number_with_interval,
    percent_with_interval,
)
from tricue.figures.page_parts import Section, Table
from tricue.model.cost import gflops, parameters
from tricue.report.readings import Material
from tricue.tasks.task import Task

BASELINES = (
    "Fitted on the same training rows, on each modality's mean and deviation over time, and tested on the same rows; "
    "verdicts after Holm's correction."
)


def phase_sections(page: Material) -> list[Section]:
    task, rows = page.task, []
    for reading in page.readings:
        scores = [number_with_interval(reading.evaluation.metrics[name], task) for name in task.numbers]
        moved = [f"{100 * v.mean():.1f}%" if len(v) else MISSING for v in (reading.change, reading.flips)]
        rows.append([f"phase {reading.phase}", *scores, *moved])
    headings = ["", *task.numbers.values(), "|H_cf − H_org| / |H_org|", "flips under H_cf"]
    strong = [reading.answers.is_shown for reading in page.readings].index(True)
    table = Table(headings, rows, "The phase of the model stands out.", strong=strong)
    return [Section("Phases side by side", tables=[table])]


def baseline_sections(page: Material) -> list[Section]:
    """Simple models of the same features beside the model; nothing where none were looked for."""
    lines = " ".join(baseline_lines(page.metrics, page.task))
    if not page.metrics.get("baselines"):
        return [Section("Baselines", lines)] if lines else []
    table = Table(baseline_headings(page.task), baseline_rows(page.metrics, page.task), BASELINES, strong=0, prose=True)
    return [Section("Baselines", lines, tables=[table])]


def item_sections(page: Material) -> list[Section]:
    """A row per class or target."""
    task, items = page.task, page.metrics[page.task.items]
    tables = [_table(task.item_numbers, items, task, with_support=True)]
    if further := {name: own for name, own in items.items() if own.keys() & task.share_numbers.keys()}:
        tables.append(_table(task.share_numbers, further, task))
    return [Section(f"{task.item_heading}s ({page.of})", tables=tables)]


def _table(
    numbers: Mapping[str, str], items: Mapping[str, Mapping[str, Any]], task: Task, with_support: bool = False
) -> Table:
    """numbers: of the items, with their headings."""
    shares = task.share_numbers
    support = with_support and any("support" in own for own in items.values())
    rows: list[Sequence[str]] = [
        [
            item,
            *(percent_with_interval(own[n]) if n in shares else number_with_interval(own[n], task) for n in numbers),
            *([str(own["support"])] if support else []),
        ]
        for item, own in items.items()
    ]
    return Table([task.item_heading, *numbers.values(), *(["Support"] if support else [])], rows)


def cost_sections(page: Material) -> list[Section]:
    network, card = page.shown.network, page.shown.evaluation.card
    counts, flops = parameters(network), gflops(network, typical_utterance(network, card.config, card.dims))
    rows = [
        [part, f"{c['total']:,}", f"{c['trainable']:,}", f"{flops.get(part, 0.0):.4f}"]
        for part, c in counts.items()
        if c["total"]  # scaling and dropouts learn nothing
    ]
    caption = (
        f"GFLOPs of one utterance of {TYPICAL_SECONDS:g} s; frozen encoders, which run once per clip in extraction, "
        f"are not counted. The seed states {SEED_PARAMETERS} and {SEED_GFLOPS} for its own."
    )
    table = Table(["Part", "Parameters", "Trainable", "GFLOPs"], rows, caption, strong=len(rows) - 1)
    return [Section("Parameters and GFLOPs", tables=[table])]
