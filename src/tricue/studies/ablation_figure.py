"""The figure of `tricue ablate`: what each part gives, with intervals, beside the scores themselves."""

from collections.abc import Mapping
from typing import Any

from tricue.evaluation.metrics_table import number_alone
from tricue.figures.canvas import FAINT, INK, Drawn, canvas, interval_bar, named_rows
from tricue.studies.comparison import SAME
from tricue.tasks.task import task_of

BETTER, WORSE, NEITHER = "#117733", "#882255", "#7A7A7A"


def draw_ablation(result: Mapping[str, Any]) -> Drawn:
    """result: what `ablation.ablate` gives (ablation.json). Left the scores, right the differences."""
    rows, task = result["variants"], task_of(result)
    score = task.headline()
    name, title = "ablation", "What each part gives, at the same training budget"
    with canvas(9.5, 1.6 + 0.42 * len(rows), 1, 2, sharey=True) as (figure, axes):
        scores, differences = axes[0]
        for place, row in enumerate(rows):
            interval_bar(scores, place, row[score], INK, task.scale())
            pair = row["difference"]
            if pair is not None and pair["verdict"] == SAME:
                differences.text(0, place, f" {SAME} ", va="center", ha="left", color=INK)
            elif pair is not None:
                colour = {"better": BETTER, "worse": WORSE}.get(pair["verdict"], NEITHER)
                interval_bar(differences, place, pair["differences"][score], colour, task.scale())
        differences.axvline(0, color=INK, linewidth=0.8)
        named_rows(scores, [f"{row['name']}\n{row['told']}" for row in rows])
        scores.set(xlabel=task.axis_label(), title="Score")
        points = "points of " if task.is_share else ""
        differences.set(xlabel=f"{points}{task.selected_words} against the whole method", title="Difference from full")
        for ax in (scores, differences):
            ax.axhline(0.5, color=FAINT, linewidth=0.8)
        differences.grid(axis="y", visible=False)
        differences.tick_params(axis="y", length=0)
    return Drawn(name, title, _caption(result), _alt(result), figure, result)


def _caption(result: Mapping[str, Any]) -> str:
    interval, several = result["interval"], result["seeds"] > 1
    mark = f"{result['mark']}. " if result["mark"] else ""
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in result["notes"])
    return (
        f"{mark}{result['corpus']} {result['split']}, protocol {result['protocol']}, n = {result['n']}; "
        f"{'mean of ' if several else ''}{result['seeds']} seed{'s' if several else ''}, {result['epochs']} epochs of "
        f"each variant; 95% intervals over {interval['groups']} {interval['unit']}s. Coloured where `compare` "
        f"finds a difference after Holm's correction.{notes}"
    )


def _alt(result: Mapping[str, Any]) -> str:
    told, task = [], task_of(result)
    name = task.headline()
    for row in result["variants"]:
        score = f"{row['name']} {number_alone(row[name], task)}"
        pair = row["difference"]
        if pair is None:
            told.append(score)
            continue
        if pair["verdict"] == SAME:
            told.append(f"{score} ({SAME})")
            continue
        number = pair["differences"][name]
        told.append(f"{score} ({number_alone(number, task, '+')}, {pair['verdict']})")
    return f"{task.numbers[name]} of each variant and its difference from the whole method: {'; '.join(told)}."
