"""How the score falls as cues go missing or are damaged: a panel for the subsets of cues and one per kind of damage."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D

from tricue.report.figure import DASHES, INK, MARKERS, PHASE_COLOURS, Drawn, canvas

TITLE = "Weighted F1 with missing and damaged cues"
_WIDTH, _HEIGHT = 3.9, 2.6  # inches of a panel
_APART = 0.2  # between the phases of a subset, in subsets
_BEYOND = 0.14  # of a panel's scale: how far to the right of it a missing cue stands
_BESIDE = 0.025  # of a panel's scale: between the phases there
_STEP = 5  # percent: the axis ends at multiples of it

Number = Mapping[str, Any]  # value, low, high: fractions; low and high None where there is no interval


def draw_robustness(result: Mapping[str, Any]) -> Drawn:
    """result: the content of robustness.json, as `evaluation.robustness.measure_robustness` gives it."""
    numbers = list(_all_numbers(result))
    subsets, kinds = result.get("subsets"), result["kinds"]
    if not numbers:
        reasons = "; ".join(f"{name}: {kind['left_out']}" for name, kind in kinds.items())
        return Drawn("robustness", TITLE, "", why_not=reasons)
    count = len(kinds) + (subsets is not None)
    columns = min(2, count)
    rows = math.ceil(count / columns)
    with canvas(_WIDTH * columns, _HEIGHT * rows + 0.4, rows, columns, sharey=True) as (figure, axes):
        cells = list(axes.flatten())
        for unused in cells[count:]:
            unused.set_visible(False)
        if subsets is not None:
            _draw_subsets(cells.pop(0), subsets, result["models"])
        for ax, kind in zip(cells, kinds.values(), strict=False):
            _draw_kind(ax, kind, result["models"], _without(kind["cue"], subsets or []))
        for ax in axes[:, 0]:
            ax.set_ylabel("weighted F1, in %")
        low, high = min(_bounds(n)[0] for n in numbers), max(_bounds(n)[1] for n in numbers)
        axes[0, 0].set_ylim(_STEP * math.floor(low / _STEP), _STEP * math.ceil(high / _STEP))
        lines = [Line2D([], [], **_style(i, about)) for i, about in enumerate(result["models"].values())]
        figure.legend(
            lines, list(result["models"]), loc="outside upper center", ncols=len(lines), handlelength=3
        )
        figure.get_layout_engine().set(hspace=0.06)
    return Drawn("robustness", TITLE, _caption(result), _alt(result), figure, dict(result))


def _draw_subsets(ax: Any, points: Sequence[Mapping[str, Any]], models: Mapping[str, Any]) -> None:
    """A point with its interval per subset and phase."""
    for i, (model, about) in enumerate(models.items()):
        shift = _APART * (i - (len(models) - 1) / 2)
        for x, point in enumerate(points):
            if "left_out" not in point:
                _draw_point(ax, x + shift, point["weighted_f1"][model], _style(i, about))
    for x, point in enumerate(points):
        if "left_out" in point:
            ax.text(x, 0.5, "no rows", transform=ax.get_xaxis_transform(), rotation=90, ha="center", va="center",
                    color=INK)  # fmt: skip
    ax.set_xticks(range(len(points)), ["\n".join(point["cues"]) for point in points])
    ax.set(title="only these cues", xlim=(-0.5, len(points) - 0.5))
    ax.grid(visible=False, axis="x")


def _draw_kind(
    ax: Any, kind: Mapping[str, Any], models: Mapping[str, Any], without: Mapping[str, Number]
) -> None:
    """A curve with its band per phase, the undamaged rows at the left; or the reason why there is none.

    without: per model its number where the cue is not damaged but missing, which stands at the right.
    """
    ax.set(title=kind["told"], xlabel=kind["unit"])
    if "left_out" in kind:
        reason = textwrap.fill(f"Not measured: {kind['left_out']}.", 34)
        ax.text(0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color=INK)
        ax.set_xticks([])
        ax.grid(visible=False)
        return
    places = _places(kind["levels"])
    for i, (model, about) in enumerate(models.items()):
        numbers = kind["weighted_f1"][model]
        low, high = zip(*map(_bounds, numbers), strict=True)
        ax.fill_between(places, low, high, color=_colour(about), alpha=0.13, linewidth=0)
        ax.plot(places, [_percent(n) for n in numbers], **_style(i, about))
    ticks = ["none" if level is None else f"{level:g}" for level in kind["levels"]]
    if without:
        places.append(places[-1] + _BEYOND * (places[-1] - places[0]))
        ticks.append(f"no\n{kind['cue']}")
        ax.xaxis.labelpad = -8  # beside the second line of that tick
        for i, (model, about) in enumerate(models.items()):
            shift = _BESIDE * (i - (len(models) - 1) / 2) * (places[-1] - places[0])
            _draw_point(ax, places[-1] + shift, without[model], _style(i, about))
    ax.set_xticks(places, ticks)


def _draw_point(ax: Any, place: float, number: Number, style: Mapping[str, Any]) -> None:
    """A number and its interval, which over few groups need not hold it."""
    ax.vlines(place, *_bounds(number), color=style["color"], linewidth=1.2)
    ax.plot(place, _percent(number), **style)


def _without(cue: str, points: Sequence[Mapping[str, Any]]) -> Mapping[str, Number]:
    """Per model the number with all cues but this one; nothing where there is no other, or it was not measured."""
    whole: list[str] = max((point["cues"] for point in points), key=len, default=[])
    others = [other for other in whole if other != cue]
    return next((point.get("weighted_f1", {}) for point in points if point["cues"] == others), {})


def _places(levels: Sequence[float | None]) -> list[float]:
    """Where the levels stand, true to scale, the damage growing to the right. Undamaged is 0; on a scale that falls, as
    that of decibels does, it stands one step before the first level."""
    known = [level for level in levels if level is not None]
    if known[0] < known[-1]:
        return [level or 0.0 for level in levels]
    start = 2 * known[0] - known[1]
    return [-(start if level is None else level) for level in levels]


def _all_numbers(result: Mapping[str, Any]) -> Iterator[Number]:
    for point in result.get("subsets", []):
        yield from point.get("weighted_f1", {}).values()
    for kind in result["kinds"].values():
        for curve in kind.get("weighted_f1", {}).values():
            yield from curve


def _percent(number: Number) -> float:
    return 100 * float(number["value"])


def _bounds(number: Number) -> tuple[float, float]:
    """Low and high in percent; the value itself where there is no interval."""
    low, high = number["low"], number["high"]
    return (_percent(number),) * 2 if low is None or high is None else (100 * low, 100 * high)


def _colour(about: Mapping[str, Any]) -> str:
    return PHASE_COLOURS.get(about["phase"], INK)


def _style(i: int, about: Mapping[str, Any]) -> dict[str, Any]:
    """Told apart by colour, dashes and marker. about: the model's entry in the result."""
    return {"color": _colour(about), "linestyle": DASHES[i], "marker": MARKERS[i], "markersize": 4.5}


def _caption(result: Mapping[str, Any]) -> str:
    interval = result["interval"]
    how = interval["mark"] or f"{interval['draws']} bootstrap draws"
    parts = [
        f"{result['corpus']} {result['split']}, n = {result['n']}, protocol {result['protocol']}",
        f"bands and bars are 95% intervals over {interval['groups']} {interval['unit']}s ({how})",
        "where a cue is damaged all are there; none: undamaged; no audio, ...: missing instead",
    ]
    fewer = {
        k["cue"]: k["rows"] for k in result["kinds"].values() if k.get("rows", result["n"]) < result["n"]
    }
    parts += [f"{rows} of the rows have {cue}" for cue, rows in fewer.items()]
    return "; ".join(parts) + "." + (f" {result['mark']}." if result["mark"] else "")


def _alt(result: Mapping[str, Any]) -> str:
    """All subsets, and the ends of every curve."""
    told = [
        f"only {'+'.join(point['cues'])}: "
        + _each((m, f"{_percent(n):.1f}") for m, n in point["weighted_f1"].items())
        for point in result.get("subsets", [])
        if "left_out" not in point
    ]
    for kind in result["kinds"].values():
        if "left_out" in kind:
            told.append(f"{kind['told']}: not measured, {kind['left_out']}")
        else:
            ends = (
                (m, f"{_percent(c[0]):.1f} to {_percent(c[-1]):.1f}") for m, c in kind["weighted_f1"].items()
            )
            told.append(
                f"{kind['told']}, from none to {kind['levels'][-1]:g} ({kind['unit']}): {_each(ends)}"
            )
    return f"{TITLE}, in percent. " + "; ".join(told) + "."


def _each(pairs: Iterator[tuple[str, str]]) -> str:
    return ", ".join(f"{model} {numbers}" for model, numbers in pairs)
