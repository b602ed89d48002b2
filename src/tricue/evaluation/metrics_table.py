"""Metrics as readable tables: percent, or values as they are, with the 95% interval in brackets."""

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tricue.baseline.label_probe import MEANING, LabelProbe, probe_words
from tricue.evaluation.baseline_scores import best_above
from tricue.tasks.categorical import Categorical
from tricue.tasks.task import Task, task_of

HEADLINE = Categorical.numbers
ADVICE = "docs/protocols.md#baselines"
MISSING = "–"


def metrics_table(metrics: Mapping[str, Any], title: str) -> Table:
    """One run: the headline numbers with their intervals, then the table of classes or targets.

    metrics: content of metrics.json.
    """
    task = task_of(metrics)
    table = Table(title=Text(title, style="bold"), caption=_caption(metrics), box=None, show_header=False, padding=0)
    table.add_row(_headline(metrics, task))
    if metrics.get("baselines"):
        table.add_row(_baselines(metrics, task))
    for line in baseline_lines(metrics, task):
        table.add_row(Text(line))
    table.add_row(_items(metrics[task.items], task))
    for item, numbers in metrics[task.items].items():
        if numbers.keys() & task.share_numbers.keys():
            table.add_row(_shares(item, numbers, task))
    if "corpora" in metrics:
        table.add_row(subsets_table(metrics["corpora"].items(), "Per corpus"))
    if "folds" in metrics:
        table.add_row(_folds(metrics["folds"], task))
    if metrics.get("audit"):
        table.add_row(_audit(metrics["audit"]))
    for modality, told in metrics.get("tuned", {}).items():
        table.add_row(Text(f"Its {modality} encoder, {metrics['encoders'][modality]}, was tuned for emotion on "
                           f"{told}: that may overlap {metrics['corpus']}."))  # fmt: skip
    return table


def subsets_table(rows: Iterable[tuple[str, Mapping[str, Any]]], title: str | None = None) -> Table:
    """Several runs under one another, as (name, metrics) pairs, all of one task."""
    runs = list(rows)
    task = task_of(runs[0][1]) if runs else Categorical
    first, *others = task.numbers
    table = Table(title=None if title is None else Text(title, style="bold"), box=box.SIMPLE)
    table.add_column("Run")
    for heading in (*task.numbers.values(), "n"):
        table.add_column(heading, justify="right", no_wrap=heading == task.numbers[first])
    for name, metrics in runs:
        numbers = (number_alone(metrics[key], task) for key in others)
        table.add_row(Text(name), number_with_interval(metrics[first], task), *numbers, str(metrics["n"]))
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
    return number_with_interval(number, Categorical)


def number_with_interval(number: Mapping[str, float | None], task: Task | type[Task], sign: str = "") -> str:
    """In percent or as it is, as the numbers of the task are. sign: "+" before what is above 0."""
    low, high = number["low"], number["high"]
    if low is None or high is None:
        return number_alone(number, task, sign)
    return f"{number_alone(number, task, sign)} [{number_text(low, task, sign)}, {number_text(high, task, sign)}]"


def number_alone(number: Mapping[str, float | None], task: Task | type[Task], sign: str = "") -> str:
    value = number["value"]
    return MISSING if value is None else number_text(value, task, sign)


def in_prose(heading: str) -> str:
    """The heading of a number within a sentence: "weighted F1", "CCC"."""
    return heading if heading[:2].isupper() else heading[:1].lower() + heading[1:]


def number_text(value: float, task: Task | type[Task], sign: str = "") -> str:
    return f"{task.scale() * value:{sign}.{1 if task.is_share else 3}f}"


def _headline(metrics: Mapping[str, Any], task: type[Task]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(no_wrap=True)
    for name, heading in task.numbers.items():
        spread = _plus_minus(metrics["seeds"]["std"][name], task)
        table.add_row(heading, number_with_interval(metrics[name], task) + (f" {spread} over seeds" if spread else ""))
    return table


def _baselines(metrics: Mapping[str, Any], task: type[Task]) -> Table:
    """The model, and under it what a simple model makes of the same features."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for number, heading in enumerate(baseline_headings(task)):
        table.add_column(heading, overflow="fold", no_wrap=number in (1, 2))
    for row in baseline_rows(metrics, task):
        table.add_row(*row)
    return table


def baseline_headings(task: type[Task] | Task) -> list[str]:
    return ["", task.numbers[task.headline()], "model minus it", "the model is"]


def baseline_rows(metrics: Mapping[str, Any], task: type[Task] | Task) -> list[list[str]]:
    """The model first; then each baseline with the difference and the verdict."""
    rows = [["this model", number_with_interval(metrics["headline"], task), "", ""]]
    for own in metrics["baselines"]:
        difference = number_with_interval(own["difference"], task, "+")
        rows.append([own["name"], number_with_interval(own["headline"], task), difference, own["verdict"]])
    return rows


def baseline_lines(metrics: Mapping[str, Any], task: type[Task] | Task) -> list[str]:
    """What is to be known of the baselines, a line each: why some lack, that one is better, that features are
    suspect."""
    lines = [f"Baselines: {metrics['baselines_note']}."] if metrics.get("baselines_note") else []
    if best := best_above(metrics):
        lines.append(
            f"This model scores below a baseline: {number_alone(metrics['headline'], task)} against "
            f"{number_alone(best['headline'], task)} of the {best['name']} ({best['verdict']}). What to do: {ADVICE}."
        )
    probe = metrics.get("label_probe")
    if probe and probe["suspect"]:
        lines.append(f"WARNING: {probe_words(LabelProbe.from_json(probe), task, metrics['split'])}. {MEANING}")
    return lines


def _items(items: Mapping[str, Mapping[str, Any]], task: type[Task]) -> Table:
    """A row per class or target; the number that the headline is made of has its interval."""
    table = Table(box=box.SIMPLE, collapse_padding=True, pad_edge=False)  # narrow: fits 80 columns
    table.add_column(task.item_heading, overflow="fold")  # a long name takes two lines, a number is never cut
    has_support = any("support" in numbers for numbers in items.values())
    for heading in (*task.item_numbers.values(), *(["Support"] if has_support else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    main = task.item_headline()
    for item, numbers in items.items():
        cells = [
            number_with_interval(numbers[name], task) if name == main else number_alone(numbers[name], task)
            for name in task.item_numbers
        ]
        table.add_row(Text(item), *cells, *([str(numbers["support"])] if has_support else []))
    return table


def _shares(item: str, numbers: Mapping[str, Any], task: type[Task]) -> Table:
    """Further numbers of a class or target."""
    table = Table(title=Text(item, style="bold"), box=box.SIMPLE, show_header=False, pad_edge=False)
    for name, heading in task.share_numbers.items():
        table.add_row(heading, percent_with_interval(numbers[name]))
    return table


def _folds(folds: Mapping[str, Any], task: type[Task]) -> Table:
    """A row per fold, then their mean and standard deviation."""
    table = Table(title=Text("Per fold", style="bold"), box=box.SIMPLE)
    table.add_column("Left out")
    for heading in (*task.numbers.values(), "n"):
        table.add_column(heading, justify="right")
    for fold, scores in folds["each"].items():
        table.add_row(Text(fold), *(number_text(scores[name], task) for name in task.numbers), str(scores["n"]))
    mean, std = folds["mean"], folds["std"]
    spread = [number_text(mean[name], task) + _plus_minus(std[name], task) for name in task.numbers]
    table.add_row("mean ± std", *spread, "", style="bold")
    return table


def _plus_minus(std: float | None, task: type[Task]) -> str:
    return "" if std is None else f" ± {number_text(std, task)}"


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
    mark = f" ({interval['mark']})" if interval["mark"] else ""
    mean = f"; mean of {seeds} seeds" if seeds > 1 else ""
    seen = ", ".join(f"{modality} {rows}" for modality, rows in metrics.get("coverage", {}).items())
    seen = f" (rows with {seen})" if seen else ""
    level = f"{100 * interval['level']:.0f}% intervals"
    return Text(f"n = {metrics['n']}{seen}; {level} over {unit}{mark}{mean}")
