"""The comparison as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tricue.evaluation.compare import ROW_LEVEL, SAME, Comparison
from tricue.evaluation.paired import DESCRIBED, POWER, TESTED
from tricue.evaluation.table import HEADLINE, MISSING

VERDICT = "Verdict"  # heading of the one column of words


def comparison_table(comparison: Comparison) -> Table:
    """Who was compared, the tested difference with its verdict, what stands beside it; 80 to 100 columns."""
    content = comparison.content
    where = f"{content['corpus']} {content['split']}, protocol {content['protocol']}, n = {content['n']}"
    mark = f"{content['mark']}\n" if content["mark"] else ""
    title = Text(f"{mark}Compared with A on {where}", style="bold")
    table = Table(title=title, caption=_caption(content), box=None, show_header=False, padding=0)
    parts: list[Table | Group] = [_models(content), _tested(content)]
    if _differing(content):
        parts += [_described(content), _mcnemar(content)]
    for part in parts:
        table.add_row(part)
    return table


def _models(content: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", "Result folder", "Cues", "Seeds", "Weighted F1 (std)"):
        table.add_column(heading, justify="right" if heading == "Seeds" else "left", overflow="fold")
    _, names = _folders(content)
    for model, name in zip(content["models"], names, strict=True):
        std = model["seeds"]["std"][TESTED]
        spread = "" if std is None else f" (± {100 * std:.1f})"
        cues = "+".join(model["modalities"] or []) or MISSING
        score = f"{100 * model[TESTED]:.1f}{spread}"
        table.add_row(model["name"], Text(name), Text(cues), str(model["seeds"]["n"]), score)
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
    several = len(content["comparisons"]) > 1
    headings = ["", "Weighted F1, points", "p", *(["p (Holm)"] if several else []), "Could show", VERDICT]
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
            _points(pair["differences"][TESTED]),
            *map(_p_value, p_values),
            MISSING if least is None else f"± {100 * least:.1f}",
            f"{pair['verdict']}{than}",
        )
    return table


def _differing(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The comparisons of two models, not of one with itself."""
    return [pair for pair in content["comparisons"] if pair["verdict"] != SAME]


def _described(content: dict[str, Any]) -> Group:
    names = [HEADLINE[name] for name in DESCRIBED]
    table = _numbers(["", *names], folds=names)
    for pair in _differing(content):
        numbers = [_points(pair["differences"][name]) for name in DESCRIBED]
        table.add_row(f"{pair['model']} - {pair['against']}", *numbers)
    return Group(Text("Beside it, in points (not tested)"), table)


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
        whole = (
            heading not in folds
        )  # a number is never cut: where there is no room for all, `folds` take more lines
        table.add_column(heading, justify="left" if left else "right", no_wrap=whole, overflow="fold")
    return table


def _points(number: dict[str, float | None]) -> str:
    """`+1.2 [-0.3, +2.7]`: percentage points, the 95% interval in brackets where there is one."""
    value, low, high = (number[name] for name in ("value", "low", "high"))
    if value is None:
        return MISSING
    bounds = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{bounds}"


def _p_value(p: float | None) -> str:
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _caption(content: dict[str, Any]) -> Text:
    interval, correction = content["interval"], content["correction"]
    how = interval["mark"] or f"{interval['draws']} draws"
    alpha = f"{correction['alpha_strictest']:.2g}"
    parent, _ = _folders(content)
    lines = [
        *([f"Result folders in {parent}."] if parent else []),
        f"95% intervals and p over {interval['groups']} {interval['unit']}s ({how}): other {interval['unit']}s of "
        "this kind, not other seeds, training data or corpora.",
        f"Could show: the least true difference found with {POWER:.0%} power, two-sided at {alpha}.",
        f"Verdict: {content['rule']}.",
        *(f"{p['model']}: {p['reason']}." for p in content["comparisons"] if p["reason"]),
        *(f"Note: {note}." for note in content["notes"]),
    ]
    return Text("\n".join(lines), justify="left")
