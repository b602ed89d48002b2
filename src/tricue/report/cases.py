"""Single utterances taken apart: which modality, which words, which moments and which frames carried the answer."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from tricue.config.feature_settings import VideoFeatures
from tricue.config.settings import Config
from tricue.explain.explanation import Explanation, Step, note_of_training
from tricue.explain.unit import Unit
from tricue.extractors.video_extractors import key_frames
from tricue.figures.canvas import INK, Drawn, emotion_colours, plain, sheet, short
from tricue.registry import MODALITIES
from tricue.report.shaded_words import AGAINST, FOR, LINE, Word, draw_words, in_lines, points
from tricue.tasks.task import Task
from tricue.types import Label, ModalityName, Utterance, label_words

CLASSES_SHOWN = 8
_THUMBNAIL = (160, 120)  # pixels, at most
_BARS, _GAP, _ACROSS = 1.0, 0.1, 7.0  # inches: height of a panel of bars, of the gap over it, its width
_NAMED_IN_ALT = 3  # steps of each modality
_BRIEF = 18  # characters of a class name: the panels are narrow
_TITLE = 82  # characters of a line of the title

Panel = tuple[float, Callable[[Any], None]]  # inches of height, what draws it


@dataclass(frozen=True)
class Case:
    """A row that is shown, and why this one."""

    why: str  # "right, surest"
    row: int


def choose_cases(task: Task, targets: np.ndarray, answers: np.ndarray, usable: np.ndarray) -> list[Case]:
    """Of the rows said right, and of those said wrong, the surest, the median and the least sure; where an answer is
    not one class, the rows whose answers lie closest to their labels, at the median and farthest away.

    targets (N, ...), answers (N, ...) as `Task.answers` gives them, usable (N,) bool: whether the row has a modality.
    Sureness is the probability of the predicted class; of equals the earlier row comes first, and of an even number the
    surer or closer is the median. A row that would stand twice stands once.
    """
    if task.kind == "classes":
        hits = answers.argmax(axis=1) == task.strata(targets)
        ranks, words = -answers.max(axis=1), ("surest", "median", "least sure")
        groups = [("right, ", hits), ("wrong, ", ~hits)]
    else:
        ranks, words = task.misses(targets, answers), ("closest", "median", "farthest")
        groups = [("", np.ones(len(ranks), dtype=bool))]
    cases: dict[int, Case] = {}
    for name, among in groups:
        rows = np.flatnonzero(among & usable)
        ordered = rows[np.argsort(ranks[rows], kind="stable")].tolist()
        for which, place in zip(words, (0, (len(ordered) - 1) // 2, len(ordered) - 1), strict=True):
            if ordered:
                cases.setdefault(ordered[place], Case(f"{name}{which}", ordered[place]))
    return list(cases.values())


def how_chosen(task: Task, config: Config) -> str:
    """`choose_cases` and what is shown of each, in words; what to know of a model of these settings."""
    rule = "The rows whose answers lie closest to their labels, at the median and farthest away."
    what = "its value (the likeliest label's, of several targets the first)"
    if task.kind == "classes":
        rule = "Of the rows said right and of those said wrong the surest, the median and the least sure."
        what = "the probability of the emotion that is said"
    told = (
        f"{rule} Each is taken apart: what every modality adds to {what} (Shapley values), what would be said without "
        "it, and which words, moments and frames carry it."
    )
    return " ".join(filter(None, (told, note_of_training(config))))


def case_title(case: Case, row: Utterance, explanation: Explanation) -> str:
    label, answer = (short(_words(explanation, own)) for own in (row.label, explanation.prediction.label))
    if explanation.task.kind == "values":
        return f"{case.why}: {short(row.id)}, {short(explanation.target)} {label}, answered {answer}"
    return f"{case.why}: {short(row.id)}, {label}" + ("" if label == answer else f" taken for {answer}")


def _words(explanation: Explanation, label: Label | None) -> str:
    """A label or an answer: its classes, or the number of the target that is explained."""
    task = explanation.task
    if label is not None and task.kind == "values":
        return explanation.unit.value(float(label[task.names.index(explanation.target)]))
    if isinstance(label, tuple) and task.kind == "labels":
        return label_words(label)
    return ", ".join(task.label_cells(label).values())


def thumbnails(utterance: Utterance, config: VideoFeatures) -> list[np.ndarray]:
    """The key frames that were read, small: (h, w, 3) uint8 RGB each, at most 160 by 120. Raises as `key_frames`."""
    small = []
    for picture in key_frames(utterance, config):
        image = Image.fromarray(picture)
        image.thumbnail(_THUMBNAIL)
        small.append(np.asarray(image))
    return small


def draw_case(
    explanation: Explanation, utterance: Utterance, name: str, title: str, pictures: Sequence[np.ndarray] | None = None
) -> Drawn:
    """Values and modalities above; below, the time steps of each modality that the utterance has, where there are
    several.

    pictures: of the key frames, as `thumbnails` gives them. Raises ValueError where they are not as many as the frames.
    """
    counts = [len(own) for name, own in explanation.steps.items() if MODALITIES[name].panel == "frames"]
    if pictures and [len(pictures)] != counts:
        raise ValueError(f"{utterance.id}: {len(pictures)} pictures for {sum(counts)} frames")
    panels = _panels(explanation, pictures or ())
    heights = [
        max(1.6, 0.23 * min(len(explanation.task.names), CLASSES_SHOWN) + 0.5),
        *(height for height, _ in panels),
    ]
    heading = textwrap.fill(plain(title), _TITLE)
    tall = sum(heights) + 0.45 * len(heights) + 0.2 * (heading.count("\n") + 1) + 0.1
    with sheet(8, tall) as figure:
        figure.suptitle(heading, x=0.01, ha="left", fontweight="bold")
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        _draw_values(figure.add_subplot(grid[0, 0]), explanation, utterance.label)
        _draw_modalities(figure.add_subplot(grid[0, 1]), explanation)
        for row, (_, draw) in enumerate(panels, start=1):
            draw(figure.add_subplot(grid[row, :]))
    data = {"id": utterance.id, "label": utterance.label, **explanation.to_json()}
    return Drawn(name, title, _caption(explanation), _told(explanation, utterance), figure, data)


def _panels(explanation: Explanation, pictures: Sequence[np.ndarray]) -> list[Panel]:
    """One per modality whose steps are worth a panel, from top to bottom. That of the frames is the last: it lays the
    figure out, to give the pictures their shape."""
    panels: list[Panel] = []
    unit = explanation.unit
    for name, own in sorted(explanation.steps.items(), key=lambda item: MODALITIES[item[0]].panel == "frames"):
        modality = MODALITIES[name]
        title = f"what each part of the {name} adds, in {unit.name}"
        if modality.panel == "words":
            lines = in_lines(own, unit)
            panels.append((LINE * len(lines) + 0.1, partial(_draw_words, lines=lines, title=title, unit=unit)))
        elif len(own) > 1 and modality.panel == "times":
            panels.append((_BARS, partial(_draw_times, steps=own, title=title, unit=unit)))
        elif len(own) > 1:
            strip = _strip(pictures)
            draw = partial(_draw_frames, steps=own, pictures=pictures, strip=strip, title=title, unit=unit)
            panels.append((_BARS + strip, draw))
    return panels


def _draw_values(ax: Any, explanation: Explanation, label: Label | None) -> None:
    """A bar per class or target, from the lowest value to the highest; some of them where there are many."""
    task, values = explanation.task, explanation.prediction.values
    said, true = _named(task, explanation.prediction.label), _named(task, label)
    first = {explanation.target} | said | true
    ranked = sorted(values, key=lambda name: (name not in first, -values[name] if task.kind != "values" else 0.0))
    shown = [name for name in values if name in ranked[:CLASSES_SHOWN]]
    colours, thresholds = emotion_colours(task.names), explanation.marks if task.kind == "labels" else None
    for at, name in enumerate(shown):  # not the names: shortened, two may be alike
        number = task.names.index(name)
        told = f" {Unit.of(task, name).value(values[name]).removesuffix('%')}"
        marks, ends = ["said"] * (name in said) + ["label"] * (name in true), [_share(task, name, values[name])]
        ax.barh(at, ends[0], color=colours[name])
        if task.kind == "values" and label is not None:
            marks, own = [f"label {float(label[number]):g}"], _share(task, name, float(label[number]))
            ax.vlines(own, at - 0.47, at + 0.47, color=INK, linewidth=2)
            ends.append(own)
        elif thresholds is not None:
            ends.append(100 * thresholds[number])
            ax.vlines(ends[1], at - 0.47, at + 0.47, color=INK, linewidth=1, linestyle=":")
        told += f"  {' = '.join(marks)}" if marks else ""
        is_marked = bool(marks) and task.kind != "values"
        ax.text(max(0.0, *ends), at, told, va="center", fontsize=9, fontweight="bold" if is_marked else "normal")
    what, of = {
        "classes": ("calibrated probability in %", "classes"),
        "labels": ("probability in %" + (", thresholds dotted" if thresholds else ""), "classes"),
        "values": ("calibrated value, lowest to highest", "targets"),
    }[task.kind]
    left = f", {len(shown)} of {len(values)} {of}" if len(shown) < len(values) else ""
    ax.set(xlim=(0, 175), xticks=range(0, 101, 25), title=f"{what}{left}")
    if task.kind == "values":
        ax.set(xticks=(0, 100), xticklabels=("lowest", "highest"))
    before = f"{explanation.unit.value(explanation.value)} before calibration"
    ax.set_xlabel("" if task.kind == "labels" else f"{short(explanation.target, _BRIEF)}: {before}")
    ax.set_yticks(range(len(shown)), [short(name, _BRIEF) for name in shown])
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()


def _share(task: Task, name: str, value: float) -> float:
    """How far a value lies between its lowest and its highest, in percent; where they are not known, from 0 to 1."""
    low, high = task.range_of(name)
    return 100 * ((value - low) / (high - low) if np.isfinite(high - low) else min(max(value, 0.0), 1.0))


def _named(task: Task, label: Label | None) -> set[str]:
    """The classes of a label or an answer; of votes that with most of them."""
    if label is None or task.kind == "values":
        return set()
    own = label if isinstance(label, tuple) else (label,)
    return {*map(str, own), *task.label_cells(label).values()} & set(task.names)


def _draw_modalities(ax: Any, explanation: Explanation) -> None:
    """What each modality adds (Shapley), and what is said without it; all of it before calibration."""
    shares, unit = explanation.shapley, explanation.unit
    reach = unit.factor * max(0.01 * unit.span, *map(abs, shares.values()), 0.0)
    names = []
    for at, (modality, share) in enumerate(shares.items()):
        names.append(f"{modality}\nwithout: {_brief(explanation, modality)}")
        ax.barh(at, unit.factor * share, height=0.5, color=MODALITIES[modality].colour)
        side = "left" if share >= 0 else "right"
        ax.text(unit.factor * share, at, f" {points(share, unit)} ", va="center", ha=side, fontsize=9)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(xlim=(-1.6 * reach, 1.6 * reach), ylim=(max(len(shares), 3) - 0.5, -0.5))
    ax.set_title(f"what each modality adds, in {unit.name}", loc="right")
    ax.set_xlabel("before calibration")
    ax.set_yticks(range(len(shares)), names)
    for modality, label in zip(shares, ax.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if modality in explanation.flips else "normal")
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="y", visible=False)


def _brief(explanation: Explanation, modality: ModalityName) -> str:
    """What is said without a modality, as a narrow panel holds it."""
    task, verdict = explanation.task, explanation.without[modality]
    if task.kind == "values":
        return explanation.unit.value(verdict.value)
    turns, chance = modality in explanation.flips, f"{100 * verdict.value:.0f}%"
    words = ("turns to " if turns else "") + short(verdict.words, _BRIEF)
    if task.kind == "classes":
        return f"{words} {chance}"
    return f"{words}, {chance}" if turns else chance


def _draw_words(ax: Any, lines: Sequence[Sequence[Word]], title: str, unit: Unit) -> None:
    draw_words(ax, lines, unit)
    ax.set_title(title)


def _draw_times(ax: Any, steps: Sequence[Step], title: str, unit: Unit) -> None:
    """The time axis of the file; of features without times, their steps."""
    low, high, axis = _places(steps)
    _bars(ax, low, high - low, steps, unit)
    ax.set(xlim=(low[0], high[-1]), xlabel=axis, ylabel=unit.points.strip(), title=title)


def _draw_frames(
    ax: Any, steps: Sequence[Step], pictures: Sequence[np.ndarray], strip: float, title: str, unit: Unit
) -> None:
    """Key frames in order of time, their weights under them. strip: inches that the pictures stand above the bars."""
    places = np.arange(len(steps))
    _bars(ax, places - 0.4, np.full(len(steps), 0.8), steps, unit)
    ax.set(xlim=(-0.5, len(steps) - 0.5), title=title)
    ax.set_ylabel(unit.points.strip(), y=0.5 * _BARS / (_BARS + strip))
    if len(steps) <= 20:
        ax.set(xticks=places, xticklabels=[_when(step, i + 1) for i, step in enumerate(steps)])
    if not pictures:
        return
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    top = high + (high - low) * strip / _BARS
    ax.set(ylim=(low, top), yticks=ticks)
    ax.figure.draw_without_rendering()  # lays the panels out: pictures keep their shape
    panel = ax.get_window_extent()
    tall = (strip - _GAP) / (strip + _BARS)  # of the panel's height
    for at, picture in enumerate(pictures):
        half = 0.5 * tall * panel.height * picture.shape[1] / picture.shape[0] / (panel.width / len(steps))
        ax.imshow(picture, extent=(at - half, at + half, top - tall * (top - low), top), aspect="auto")
    ax.set(xlim=(-0.5, len(steps) - 0.5), ylim=(low, top))


def _strip(pictures: Sequence[np.ndarray]) -> float:
    """Inches of height that pictures side by side take, with a gap under them; 0 without any."""
    shapes = [picture.shape[0] / picture.shape[1] for picture in pictures]
    return min(0.9, 0.92 * _ACROSS / len(shapes) * min(shapes)) + _GAP if shapes else 0.0


def _bars(ax: Any, left: np.ndarray, width: np.ndarray, steps: Sequence[Step], unit: Unit) -> None:
    weights = np.array([unit.factor * step.weight for step in steps])
    colours = [FOR if weight >= 0 else AGAINST for weight in weights]
    ax.bar(
        left,
        weights, width, align="edge", color=colours, edgecolor=INK, linewidth=0.3 if len(steps) < 100 else 0,
    )  # fmt: skip
    ax.axhline(0, color=INK, linewidth=0.8)
    reach = max(0.005 * unit.factor * unit.span, float(np.abs(weights).max()))
    ax.set_ylim(min(0, 1.1 * weights.min()) - 0.02 * reach, max(0, 1.1 * weights.max()) + 0.02 * reach)
    ax.locator_params(axis="y", nbins=4)
    ax.grid(axis="x", visible=False)


def _places(steps: Sequence[Step]) -> tuple[np.ndarray, np.ndarray, str]:
    """Where each step begins and ends on the axis, and its unit."""
    times = [(step.moment.start, step.moment.end) for step in steps]
    known = [(a, b) for a, b in times if a is not None and b is not None]
    if len(known) < len(steps):
        return np.arange(len(steps)) + 0.5, np.arange(len(steps)) + 1.5, "time step of the features"
    low, high = np.array(known).T
    return low, high, "seconds of the file"


def _when(step: Step, number: int) -> str:
    """The number of a frame, and where its part of the clip begins."""
    return str(number) if step.moment.start is None else f"{number}\n{step.moment.start:.1f} s"


def _caption(explanation: Explanation) -> str:
    unit, target, kind = explanation.unit, short(explanation.target), explanation.task.kind
    start, mean, before = map(unit.value, (explanation.subsets[""], explanation.baseline, explanation.value))
    is_missed = abs(explanation.residual) >= 0.01 * unit.span
    gap = f" (they miss {unit.difference(explanation.residual)})" if is_missed else ""
    note = f" {explanation.prediction.note}." if explanation.prediction.note else ""
    bars = "The bars are calibrated, as `predict` gives them; all else is not: before calibration "
    has = {
        "classes": f"{bars}{target} has {before}, and points are hundredths of that probability.",
        "labels": f"{target}, which is explained, has {before}, and points are hundredths of that probability.",
        "values": f"{bars}{target} is {before}, and differences are in its unit.",
    }[kind]
    return (
        f"{has} Modalities: Shapley values, which add up from its {'mean' if kind == 'values' else 'share'} of the "
        f"training rows, {start}, to {before}. Words, moments and frames: integrated gradients, which add up from "
        f"{mean}, where every time step is the training mean, to {before}{gap}. Each panel has its own scale.{note}"
    )


def _told(explanation: Explanation, utterance: Utterance) -> str:
    unit, target, kind = explanation.unit, explanation.target, explanation.task.kind
    label = f", labelled {_words(explanation, utterance.label)}" if utterance.label is not None else ""
    value, before = unit.value(explanation.prediction.values[target]), unit.value(explanation.value)
    answer = {
        "classes": f"said {target} ({value}){label}. Before calibration it has {before}",
        "labels": f"said {_words(explanation, explanation.prediction.label)}{label}. {target} has {before}",
        "values": f"{target} {value}{label}. Before calibration it is {before}",
    }[kind]
    parts = [f"{utterance.id}: {answer}, of which:"]
    for modality, share in explanation.shapley.items():
        weighty = sorted(explanation.steps[modality], key=lambda step: -abs(step.weight))[:_NAMED_IN_ALT]
        steps = ", ".join(f"{s.moment.label} {unit.difference(s.weight)}" for s in weighty)
        without = f"without it {explanation.said(explanation.without[modality])}"
        parts.append(f"{modality} {unit.difference(share)}{unit.points}, {without}; most: {steps}.")
    return plain(" ".join(parts))
