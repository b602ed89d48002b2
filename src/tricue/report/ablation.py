"""The figure of `tricue ablate`: what each part gives, with intervals, beside the scores themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tricue.evaluation.compare import SAME
from tricue.report.figure import FAINT, INK, Drawn, canvas

BETTER, WORSE, NEITHER = "#117733", "#882255", "#7A7A7A"


def draw_ablation(result: Mapping[str, Any]) -> Drawn:
    """result: what `evaluation.ablation.ablate` gives (ablation.json). Left the scores, right the differences."""
    rows = result["variants"]
    places = range(len(rows))
    name, title = "ablation", "What each part gives, at the same training budget"
    with canvas(9.5, 1.6 + 0.42 * len(rows), 1, 2, sharey=True) as (figure, axes):
        scores, differences = axes[0]
        for place, row in zip(places, rows, strict=True):
            _bar(scores, place, row["weighted_f1"], INK)
            pair = row["difference"]
            if pair is not None and pair["verdict"] == SAME:
                differences.text(0, place, f" {SAME} ", va="center", ha="left", color=INK)
            elif pair is not None:
                colour = {"better": BETTER, "worse": WORSE}.get(pair["verdict"], NEITHER)
                _bar(differences, place, pair["differences"]["weighted_f1"], colour)
        differences.axvline(0, color=INK, linewidth=0.8)
        scores.set_yticks(places, [f"{row['name']}\n{row['told']}" for row in rows])
        scores.set_ylim(len(rows) - 0.5, -0.5)  # from top to bottom
        scores.set(xlabel="weighted F1, in %", title="Score")
        differences.set(xlabel="points of weighted F1 against the whole method", title="Difference from full")
        for ax in (scores, differences):
            ax.grid(axis="y", visible=False)
            ax.axhline(0.5, color=FAINT, linewidth=0.8)
            ax.tick_params(axis="y", length=0)
    return Drawn(name, title, _caption(result), _alt(result), figure, result)


def _bar(ax: Any, place: int, number: Mapping[str, float | None], colour: str) -> None:
    value, low, high = (number[key] for key in ("value", "low", "high"))
    if value is None:
        return
    if low is not None and high is not None:
        ax.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2)
    ax.plot(100 * value, place, "o", color=colour, ms=7)


def _caption(result: Mapping[str, Any]) -> str:
    interval, several = result["interval"], result["seeds"] > 1
    mark = f"{result['mark']}. " if result["mark"] else ""
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in result["notes"])
    return (
        f"{mark}{result['corpus']} {result['split']}, protocol {result['protocol']}, n = {result['n']}; "
        f"{'mean of ' if several else ''}{result['seeds']} seed{'s' if several else ''}, {result['epochs']} epochs at "
        f"most for each variant; 95% intervals over {interval['groups']} {interval['unit']}s. Coloured where `compare` "
        f"finds a difference after Holm's correction.{notes}"
    )


def _alt(result: Mapping[str, Any]) -> str:
    told = []
    for row in result["variants"]:
        score = f"{row['name']} {100 * row['weighted_f1']['value']:.1f}"
        pair = row["difference"]
        if pair is None:
            told.append(score)
            continue
        if pair["verdict"] == SAME:
            told.append(f"{score} ({SAME})")
            continue
        number = pair["differences"]["weighted_f1"]
        told.append(f"{score} ({100 * number['value']:+.1f}, {pair['verdict']})")
    return f"Weighted F1 of each variant and its difference from the whole method: {'; '.join(told)}."
