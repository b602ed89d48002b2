"""How the score falls as modalities go missing or are damaged: a panel for the subsets of modalities and one per
kind of damage that was measured.
"""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D

from tricue.evaluation.metrics_table import number_alone
from tricue.figures.canvas import DASHES, INK, MARKERS, PHASE_COLOURS, Drawn, canvas
from tricue.tasks.task import Task, task_of

TITLE = "with missing and damaged modalities"  # after the name of the score
_WIDTH, _HEIGHT = 3.9, 2.6  # inches of a panel
_APART = 0.2  # between the phases of a subset, in subsets
_BEYOND = 0.14  # of a panel's scale: how far to the right of it a missing modality stands
_BESIDE = 0.025  # of a panel's scale: between the phases there
_STEP = 0.05  # the axis ends at multiples of it
_LETTERS, _LINE = 60, 0.15  # of a line below the panels: letters per panel, inches

Number = Mapping[str, Any]  # value, low, high; low and high None where there is no interval


def draw_robustness(result: Mapping[str, Any]) -> Drawn:
    """result: the content of robustness.json, as `studies.robustness.measure_robustness` gives it."""
    task = task_of(result)
    numbers = [number for number in _all_numbers(result, task) if number["value"] is not None]
    subsets = result.get("subsets")
    kinds = [kind for kind in result["kinds"].values() if "left_out" not in kind]
    title, left_out = f"{task.numbers[task.headline()]} {TITLE}", "; ".join(_left_out(result))
    if not numbers:
        return Drawn("robustness", title, "", why_not=left_out)
    count = len(kinds) + (subsets is not None)
    columns = min(2, count)
    rows = math.ceil(count / columns)
    below = textwrap.wrap(f"Not measured: {left_out}.", _LETTERS * columns) if left_out else []
    height = _HEIGHT * rows + 0.4 + _LINE * len(below)
    with canvas(_WIDTH * columns, height, rows, columns, sharey=True) as (figure, axes):
        cells = list(axes.flatten())
        for unused in cells[count:]:
            unused.set_visible(False)
        if subsets is not None:
            _draw_subsets(cells.pop(0), subsets, result["models"], task)
        for ax, kind in zip(cells, kinds, strict=False):
            _draw_kind(ax, kind, result["models"], _without(kind["modality"], subsets or [], task), task)
        for ax in axes[:, 0]:
            ax.set_ylabel(task.axis_label())
        step = _STEP * task.scale()
        low, high = min(_bounds(n, task)[0] for n in numbers), max(_bounds(n, task)[1] for n in numbers)
        axes[0, 0].set_ylim(step * math.floor(low / step), step * math.ceil(high / step))
        lines = [Line2D([], [], **_style(i, about)) for i, about in enumerate(result["models"].values())]
        figure.legend(lines, list(result["models"]), loc="outside upper center", ncols=len(lines), handlelength=3)
        figure.supxlabel("\n".join(below), fontsize="small")
        figure.get_layout_engine().set(hspace=0.06)
    return Drawn("robustness", title, _caption(result), _alt(result, title, task), figure, dict(result))


def _draw_subsets(ax: Any, points: Sequence[Mapping[str, Any]], models: Mapping[str, Any], task: type[Task]) -> None:
    """A point with its interval per subset and phase."""
    for i, (model, about) in enumerate(models.items()):
        shift = _APART * (i - (len(models) - 1) / 2)
        for x, point in enumerate(points):
            if "left_out" not in point:
                _draw_point(ax, x + shift, point[task.headline()][model], _style(i, about), task)
    for x, point in enumerate(points):
        if "left_out" in point:
            ax.text(x, 0.5, "no rows", transform=ax.get_xaxis_transform(), rotation=90, ha="center", va="center",
                    color=INK)  # fmt: skip
    ax.set_xticks(range(len(points)), ["\n".join(point["modalities"]) for point in points])
    ax.set(title="only these modalities", xlim=(-0.5, len(points) - 0.5))
    ax.grid(visible=False, axis="x")


def _draw_kind(
    ax: Any, kind: Mapping[str, Any], models: Mapping[str, Any], without: Mapping[str, Number], task: type[Task]
) -> None:
    """A curve with its band per phase, the undamaged rows at the left.

    without: per model its number where the modality is not damaged but missing, which stands at the right.
    """
    ax.set(title=kind["told"], xlabel=kind["unit"])
    places = _places(kind["levels"])
    for i, (model, about) in enumerate(models.items()):
        numbers = kind[task.headline()][model]
        low, high = zip(*(_bounds(n, task) for n in numbers), strict=True)
        ax.fill_between(places, low, high, color=_colour(about), alpha=0.13, linewidth=0)
        ax.plot(places, [_shown(n, task) for n in numbers], **_style(i, about))
    ticks = ["none" if level is None else f"{level:g}" for level in kind["levels"]]
    if without:
        places.append(places[-1] + _BEYOND * (places[-1] - places[0]))
        ticks.append(f"no\n{kind['modality']}")
        ax.xaxis.labelpad = -8  # beside the second line of that tick
        for i, (model, about) in enumerate(models.items()):
            shift = _BESIDE * (i - (len(models) - 1) / 2) * (places[-1] - places[0])
            _draw_point(ax, places[-1] + shift, without[model], _style(i, about), task)
    ax.set_xticks(places, ticks)


def _left_out(result: Mapping[str, Any]) -> list[str]:
    """Why kinds were not measured, a reason once with all kinds that it holds for."""
    kinds: dict[str, list[str]] = {}
    for kind in result["kinds"].values():
        if "left_out" in kind:
            kinds.setdefault(kind["left_out"], []).append(kind["told"])
    return [f"{', '.join(told)} ({reason})" for reason, told in kinds.items()]


def _draw_point(ax: Any, place: float, number: Number, style: Mapping[str, Any], task: type[Task]) -> None:
    """A number and its interval."""
    ax.vlines(place, *_bounds(number, task), color=style["color"], linewidth=1.2)
    ax.plot(place, _shown(number, task), **style)


def _without(modality: str, points: Sequence[Mapping[str, Any]], task: type[Task]) -> Mapping[str, Number]:
    """Per model the number with all modalities but this one; nothing where there is no other, or it was not
    measured.
    """
    whole: list[str] = max((point["modalities"] for point in points), key=len, default=[])
    others = [other for other in whole if other != modality]
    return next((point.get(task.headline(), {}) for point in points if point["modalities"] == others), {})


def _places(levels: Sequence[float | None]) -> list[float]:
    """Where the levels stand, true to scale, the damage growing to the right. Undamaged is 0; on a scale that falls, as
    that of decibels does, it stands one step before the first level."""
    known = [level for level in levels if level is not None]
    if known[0] < known[-1]:
        return [level or 0.0 for level in levels]
    start = 2 * known[0] - known[1]
    return [-(start if level is None else level) for level in levels]


def _all_numbers(result: Mapping[str, Any], task: type[Task]) -> Iterator[Number]:
    for point in result.get("subsets", []):
        yield from point.get(task.headline(), {}).values()
    for kind in result["kinds"].values():
        for curve in kind.get(task.headline(), {}).values():
            yield from curve


def _shown(number: Number, task: type[Task]) -> float:
    return math.nan if number["value"] is None else task.scale() * float(number["value"])


def _bounds(number: Number, task: type[Task]) -> tuple[float, float]:
    """Low and high as they are shown; the value itself where there is no interval."""
    low, high = number["low"], number["high"]
    return (_shown(number, task),) * 2 if low is None or high is None else (task.scale() * low, task.scale() * high)


def _colour(about: Mapping[str, Any]) -> str:
    return PHASE_COLOURS.get(about["phase"], INK)


def _style(i: int, about: Mapping[str, Any]) -> dict[str, Any]:
    """Told apart by colour, dashes and marker. about: the model's entry in the result."""
    return {"color": _colour(about), "linestyle": DASHES[i], "marker": MARKERS[i], "markersize": 4.5}


def _caption(result: Mapping[str, Any]) -> str:
    interval = result["interval"]
    how = interval["mark"] or interval["method"]
    parts = [
        f"{result['corpus']} {result['split']}, n = {result['n']}, protocol {result['protocol']}",
        f"bands and bars are 95% intervals over {interval['groups']} {interval['unit']}s ({how})",
        "where a modality is damaged all are there; none: undamaged; no audio, ...: missing instead",
    ]
    fewer = {k["modality"]: k["rows"] for k in result["kinds"].values() if k.get("rows", result["n"]) < result["n"]}
    parts += [f"{rows} of the rows have {modality}" for modality, rows in fewer.items()]
    return "; ".join(parts) + "." + (f" {result['mark']}." if result["mark"] else "")


def _alt(result: Mapping[str, Any], title: str, task: type[Task]) -> str:
    """All subsets, and the ends of every curve."""
    told = [
        f"only {'+'.join(point['modalities'])}: "
        + _each((m, number_alone(n, task)) for m, n in point[task.headline()].items())
        for point in result.get("subsets", [])
        if "left_out" not in point
    ]
    for kind in result["kinds"].values():
        if "left_out" in kind:
            told.append(f"{kind['told']}: not measured, {kind['left_out']}")
        else:
            curves = kind[task.headline()].items()
            ends = ((m, " to ".join(number_alone(c[i], task) for i in (0, -1))) for m, c in curves)
            told.append(f"{kind['told']}, from none to {kind['levels'][-1]:g} ({kind['unit']}): {_each(ends)}")
    return f"{title}{', in percent' if task.is_share else ''}. " + "; ".join(told) + "."


def _each(pairs: Iterator[tuple[str, str]]) -> str:
    return ", ".join(f"{model} {numbers}" for model, numbers in pairs)
