"""Several runs under one another: their scores, and the ways to their pages."""

from collections.abc import Mapping
from typing import Any

from tricue.evaluation.evaluate import Evaluation
from tricue.evaluation.metrics_table import in_prose, number_alone, number_text, number_with_interval
from tricue.evaluation.several_runs import Together
from tricue.figures.canvas import INK, PHASE_COLOURS, Drawn, canvas, interval_bar, named_rows, short
from tricue.figures.page_parts import Group, Link, Section, Table
from tricue.report.readings import Material
from tricue.tasks.task import Task


def runs_sections(page: Material) -> list[Section]:
    """Each run's scores on its own rows and the way to its page, then those of all together."""
    task, together = page.task, page.together
    assert together is not None
    measured = zip(together.measured, page.pages, strict=True)
    rows: list[list[str | Link]] = [
        [str(run), *_scores(own.metrics, task), str(own.card.phase), _val(own, task), Link("report", where)]
        for (run, own), where in measured
    ]
    rows.append([page.of, *_scores(page.metrics, task), "", "", ""])
    headings = ["", *task.numbers.values(), "n", "Phase", f"Val {task.selected_words}", "Page"]
    table = Table(headings, rows, _spread(page.metrics, task), strong=len(rows) - 1)
    intro = "Each run on the rows that it is scored on. Its page shows its phases, learning curves, maps and cases."
    drawn = draw_runs(together, page.of, task)
    return [Section("Runs", intro, [table], [Group([drawn], columns=1, wide=True)])]


def _scores(metrics: Mapping[str, Any], task: Task) -> list[str]:
    first, *others = task.numbers
    each = (number_alone(metrics[name], task) for name in others)
    return [number_with_interval(metrics[first], task), *each, str(metrics["n"])]


def _val(own: Evaluation, task: Task) -> str:
    return "–" if own.card.val_score is None else number_text(own.card.val_score, task)


def all_runs(together: Together) -> str:
    """What the numbers of all runs are of, in words."""
    seeds, folds = together.metrics["seeds"]["n"], together.metrics.get("folds")
    return ("all folds together" if folds else "all runs") + (f", mean of {seeds}" if seeds > 1 else "")


def _spread(metrics: Mapping[str, Any], task: Task) -> str:
    """The standard deviations of the headline number over seeds and over folds."""
    name, told = metrics["headline"]["name"], []
    points = " points" if task.is_share else ""
    over_seeds = metrics["seeds"]["std"][name]
    if over_seeds is not None:
        told.append(f"{number_text(over_seeds, task)}{points} over {metrics['seeds']['n']} seeds")
    folds = metrics.get("folds")
    if folds and folds["std"][name] is not None:
        told.append(f"{number_text(folds['std'][name], task)}{points} over {len(folds['each'])} folds")
    return f"Standard deviation of the {in_prose(task.numbers[name])}: {'; '.join(told)}." if told else ""


def draw_runs(together: Together, of: str, task: Task) -> Drawn:
    """The headline number of each run with its interval, and of all together."""
    name = together.metrics["headline"]["name"]
    heading = task.numbers[name]
    rows = [(str(run), own.metrics[name], PHASE_COLOURS[3]) for run, own in together.measured]
    rows.append((of, together.metrics[name], INK))
    with canvas(8, 1.1 + 0.34 * len(rows)) as (figure, axes):
        ax = axes[0, 0]
        for place, (_, number, colour) in enumerate(rows):
            interval_bar(ax, place, number, colour, task.scale())
        named_rows(ax, [_short(name) for name, _, _ in rows])
        ax.axhline(len(rows) - 1.5, color=INK, linewidth=0.8)
        ax.set(xlabel=task.axis_label())
    told = "; ".join(f"{name} {number_with_interval(number, task)}" for name, number, _ in rows)
    data = {name: number for name, number, _ in rows}
    title = f"{heading} of each run"
    return Drawn("runs", title, "With 95% intervals over the rows of each.", f"{title}: {told}.", figure, data)


def _short(name: str) -> str:
    """The name of a run; of a fold's name, which may be long, what a figure shows."""
    seed, _, fold = name.partition(", fold ")
    return f"{seed}, fold {short(fold)}" if fold else name
