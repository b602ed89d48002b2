"""The comparison as a table for the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tricue.evaluation.metrics_table import MISSING, number_text, number_with_interval
from tricue.evaluation.paired import POWER
from tricue.studies.comparison import ROW_LEVEL, SAME
from tricue.tasks.task import task_of

VERDICT = "Verdict"  # heading of the one column of words


def comparison_table(content: dict[str, Any]) -> Table:
    """Who was compared, the tested difference with its verdict, what stands beside it; 80 to 100 columns."""
    where = f"{content['corpus']} {content['split']}, protocol {content['protocol']}, n = {content['n']}"
    mark = f"{content['mark']}\n" if content["mark"] else ""
    title = Text(f"{mark}Compared with A on {where}", style="bold")
    table = Table(title=title, caption=_caption(content), box=None, show_header=False, padding=0)
    parts: list[Table | Group] = [_models(content), _tested(content)]
    if _differing(content):
        parts += [_described(content)] if len(task_of(content).numbers) > 1 else []
        parts += [_mcnemar(content)] if content["comparisons"][0]["mcnemar"] else []
    for part in parts:
        table.add_row(part)
    return table


def _models(content: dict[str, Any]) -> Table:
    task, table = task_of(content), Table(box=box.SIMPLE, pad_edge=False)
    tested = task.headline()
    for heading in ("", "Result folder", "Modalities", "Seeds", f"{task.numbers[tested]} (std)"):
        table.add_column(heading, justify="right" if heading == "Seeds" else "left", overflow="fold")
    _, names = _folders(content)
    for model, name in zip(content["models"], names, strict=True):
        std = model["seeds"]["std"][tested]
        spread = "" if std is None else f" (± {number_text(std, task)})"
        modalities = "+".join(model["modalities"] or []) or MISSING
        score = f"{number_text(model[tested], task)}{spread}"
        table.add_row(model["name"], Text(name), Text(modalities), str(model["seeds"]["n"]), score)
    return table


def _folders(content: dict[str, Any]) -> tuple[str, list[str]]:
    """The folder that all results lie in (empty: there is none), and their names in it, which fit 80 columns."""
    folders = [Path(model["folder"]) for model in content["models"]]
    shared = set.intersection(*(set(folder.parents) for folder in folders)) - {Path()}
    if not shared:
        return "", [str(folder) for folder in folders]
    parent = max(shared, key=lambda place: len(place.parts))
    return str(parent), [str(folder.relative_to(parent)) for folder in folders]


def _tested(content: dict[str, Any]) -> Table:
    task, several = task_of(content), len(content["comparisons"]) > 1
    tested, points = task.headline(), ", points" if task.is_share else ""
    headings = ["", task.numbers[tested] + points, "p", *(["p (Holm)"] if several else []), "Could show", VERDICT]
    table = _numbers(headings, folds=[VERDICT])
    for pair in content["comparisons"]:
        if pair["verdict"] == SAME:
            table.add_row(f"{pair['model']} = {pair['against']}", *[MISSING] * (len(headings) - 2), SAME)
            continue
        least = pair["detectable"]["value"]
        p_values = [pair["p"], *([pair["p_corrected"]] if several else [])]
        than = f" than {pair['against']}" if pair["verdict"] in ("better", "worse") else ""
        table.add_row(
            f"{pair['model']} - {pair['against']}",
            number_with_interval(pair["differences"][tested], task, "+"),
            *map(_p_value, p_values),
            MISSING if least is None else f"± {number_text(least, task)}",
            f"{pair['verdict']}{than}",
        )
    return table


def _differing(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The comparisons of two models, not of one with itself."""
    return [pair for pair in content["comparisons"] if pair["verdict"] != SAME]


def _described(content: dict[str, Any]) -> Group:
    task = task_of(content)
    _, *names = task.numbers
    headings = [task.numbers[name] for name in names]
    table = _numbers(["", *headings], folds=headings)
    for pair in _differing(content):
        numbers = [number_with_interval(pair["differences"][name], task, "+") for name in names]
        table.add_row(f"{pair['model']} - {pair['against']}", *numbers)
    return Group(Text(f"Beside it{', in points' if task.is_share else ''} (not tested)"), table)


def _mcnemar(content: dict[str, Any]) -> Group:
    several = len(content["comparisons"]) > 1
    table = _numbers(["", "Both right", "Only A", "Only other", "Neither", "p", *(["p (Holm)"] * several)])
    for pair in _differing(content):
        test = pair["mcnemar"]
        counts = [str(test[name]) for name in ("both_right", "only_first", "only_second", "neither")]
        p_values = [test["p"], *([test["p_corrected"]] if several else [])]
        table.add_row(f"{pair['model']}, {pair['against']}", *counts, *map(_p_value, p_values))
    return Group(Text(f"McNemar's exact test ({ROW_LEVEL}; no part of the verdict)"), table)


def _numbers(headings: Sequence[str], folds: Sequence[str] = ()) -> Table:
    """A table whose first column names the pair. folds: the columns that may break into lines."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for i, heading in enumerate(headings):
        left = i == 0 or heading == VERDICT
        whole = heading not in folds  # a number is never cut: where there is no room for all, `folds` take more lines
        table.add_column(heading, justify="left" if left else "right", no_wrap=whole, overflow="fold")
    return table


def _p_value(p: float | None) -> str:
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _caption(content: dict[str, Any]) -> Text:
    interval, correction = content["interval"], content["correction"]
    mark = f" ({interval['mark']})" if interval["mark"] else ""
    alpha = f"{correction['alpha_strictest']:.2g}"
    parent, _ = _folders(content)
    lines = [
        *([f"Result folders in {parent}."] if parent else []),
        f"95% intervals and p over {interval['groups']} {interval['unit']}s{mark}: other {interval['unit']}s of "
        "this kind, not other seeds, training data or corpora.",
        f"Could show: the least true difference found with {POWER:.0%} power, two-sided at {alpha}.",
        f"Verdict: {content['rule']}.",
        *(f"{p['model']}: {p['reason']}." for p in content["comparisons"] if p["reason"]),
        *(f"Note: {note}." for note in content["notes"]),
    ]
    return Text("\n".join(lines), justify="left")
