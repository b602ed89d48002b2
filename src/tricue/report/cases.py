"""Single utterances taken apart: which cue, which words, which moments and which frames carried what was said."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from tricue.config import VideoFeatures
from tricue.evaluation.explain import Explanation, Step
from tricue.features.video import key_frames
from tricue.report.figure import CUE_COLOURS, INK, Drawn, emotion_colours, plain, sheet, short
from tricue.report.words import AGAINST, FOR, LINE, Word, draw_words, in_lines, points
from tricue.types import Cue, Utterance

CLASSES_SHOWN = 8
_THUMBNAIL = (160, 120)  # pixels, at most
_BARS, _GAP, _ACROSS = 1.0, 0.1, 7.0  # inches: height of a panel of bars, of the gap over it, its width
_NAMED_IN_ALT = 3  # steps of each cue
_BRIEF = 18  # characters of a class name: the panels are narrow
_TITLE = 82  # characters of a line of the title

Panel = tuple[float, Callable[[Any], None]]  # inches of height, what draws it


@dataclass(frozen=True)
class Case:
    """A row that is shown, and why this one."""

    why: str  # "right, surest"
    row: int


def choose_cases(labels: np.ndarray, probabilities: np.ndarray, usable: np.ndarray) -> list[Case]:
    """Of the rows said right, and of those said wrong, the surest, the median and the least sure.

    labels (N,), probabilities (N, C), usable (N,) bool: whether the row has a cue. Sureness is the probability of the
    predicted class; of equals the earlier row comes first, and of an even number the surer is the median. A row
    that would stand twice stands once.
    """
    sureness, said = probabilities.max(axis=1), probabilities.argmax(axis=1)
    cases: dict[int, Case] = {}
    for name, among in (("right", said == labels), ("wrong", said != labels)):
        rows = np.flatnonzero(among & usable)
        ordered = rows[np.argsort(-sureness[rows], kind="stable")].tolist()
        middle = (len(ordered) - 1) // 2
        for which, place in (("surest", 0), ("median", middle), ("least sure", len(ordered) - 1)):
            if ordered:
                cases.setdefault(ordered[place], Case(f"{name}, {which}", ordered[place]))
    return list(cases.values())


def thumbnails(utterance: Utterance, config: VideoFeatures) -> list[np.ndarray]:
    """The key frames that were read, small: (h, w, 3) uint8 RGB each, at most 160 by 120. Raises as `key_frames`."""
    small = []
    for picture in key_frames(utterance, config):
        image = Image.fromarray(picture)
        image.thumbnail(_THUMBNAIL)
        small.append(np.asarray(image))
    return small


def draw_case(
    explanation: Explanation,
    utterance: Utterance,
    emotions: Sequence[str],
    name: str,
    title: str,
    pictures: Sequence[np.ndarray] | None = None,
) -> Drawn:
    """Chances and cues above; below, the time steps of each cue that the utterance has, where there are several.

    pictures: of the key frames, as `thumbnails` gives them. Raises ValueError where they are not as many as the frames.
    """
    frames = explanation.steps.get("video", ())
    if pictures and len(pictures) != len(frames):
        raise ValueError(f"{utterance.id}: {len(pictures)} pictures for {len(frames)} frames")
    panels = _panels(explanation.steps, pictures or ())
    heights = [max(1.6, 0.23 * min(len(emotions), CLASSES_SHOWN) + 0.5), *(height for height, _ in panels)]
    heading = textwrap.fill(plain(title), _TITLE)
    tall = sum(heights) + 0.45 * len(heights) + 0.2 * (heading.count("\n") + 1) + 0.1
    with sheet(8, tall) as figure:
        figure.suptitle(heading, x=0.01, ha="left", fontweight="bold")
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        _draw_chances(figure.add_subplot(grid[0, 0]), explanation, utterance.emotion, emotions)
        _draw_cues(figure.add_subplot(grid[0, 1]), explanation)
        for row, (_, draw) in enumerate(panels, start=1):
            draw(figure.add_subplot(grid[row, :]))
    data = {"id": utterance.id, "label": utterance.emotion, **explanation.to_json()}
    return Drawn(name, title, _caption(explanation), _told(explanation, utterance), figure, data)


def _panels(steps: Mapping[Cue, Sequence[Step]], pictures: Sequence[np.ndarray]) -> list[Panel]:
    """One per cue whose steps are worth a panel, from top to bottom. That of the frames is the last: it lays the figure
    out, to give the pictures their shape."""
    panels: list[Panel] = []
    if "text" in steps:
        lines = in_lines(steps["text"])
        panels.append((LINE * len(lines) + 0.1, partial(_draw_text, lines=lines)))
    if len(steps.get("audio", ())) > 1:
        panels.append((_BARS, partial(_draw_sound, steps=steps["audio"])))
    if len(steps.get("video", ())) > 1:
        strip = _strip(pictures)
        panels.append((
            _BARS + strip, partial(_draw_frames, steps=steps["video"], pictures=pictures, strip=strip)
        ))  # fmt: skip
    return panels


def _before(explanation: Explanation) -> float:
    """Probability of what is said before calibration, with all cues: what the parts add up to."""
    return explanation.subsets["+".join(explanation.shapley)]


def _draw_chances(ax: Any, explanation: Explanation, label: str | None, emotions: Sequence[str]) -> None:
    """A bar per class, the likeliest where there are many, the label always."""
    chances, colours = explanation.prediction.probabilities, emotion_colours(emotions)
    ranked = sorted(emotions, key=lambda e: (e != label, -chances[e]))[:CLASSES_SHOWN]
    shown = [e for e in emotions if e in ranked]
    values = [100 * chances[e] for e in shown]
    places = range(len(shown))  # not the names: shortened, two may be alike
    ax.barh(places, values, color=[colours[e] for e in shown])
    for at, (emotion, value) in enumerate(zip(shown, values, strict=True)):
        marks = [
            word
            for word, holds in (("said", emotion == explanation.target), ("label", emotion == label))
            if holds
        ]
        told = f" {value:.1f}" + (f"  {' = '.join(marks)}" if marks else "")
        ax.text(value, at, told, va="center", fontsize=9, fontweight="bold" if marks else "normal")
    left = f", {len(shown)} of {len(emotions)} classes" if len(shown) < len(emotions) else ""
    ax.set(xlim=(0, 175), xticks=range(0, 101, 25), title=f"calibrated probability in %{left}")
    ax.set_xlabel(
        f"{short(explanation.target, _BRIEF)}: {100 * _before(explanation):.1f}% before calibration"
    )
    ax.set_yticks(places, [short(e, _BRIEF) for e in shown])
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()


def _draw_cues(ax: Any, explanation: Explanation) -> None:
    """What each cue adds (Shapley), and what is said without it; all of it before calibration."""
    shares = explanation.shapley
    reach = max(0.01, *map(abs, shares.values()), 0.0)
    names = []
    for at, (cue, share) in enumerate(shares.items()):
        other = explanation.without[cue]
        turns = "turns to " if cue in explanation.flips else ""
        names.append(f"{cue}\nwithout: {turns}{short(other.emotion, _BRIEF)} {100 * other.probability:.0f}%")
        ax.barh(at, 100 * share, height=0.5, color=CUE_COLOURS[cue])
        side = "left" if share >= 0 else "right"
        ax.text(100 * share, at, f" {points(share)} ", va="center", ha=side, fontsize=9)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(
        xlim=(-160 * reach, 160 * reach), ylim=(max(len(shares), 3) - 0.5, -0.5), yticks=range(len(shares))
    )
    ax.set_title("what each cue adds, in points", loc="right")
    ax.set_xlabel("before calibration")
    ax.set_yticklabels(names)
    for cue, label in zip(shares, ax.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if cue in explanation.flips else "normal")
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="y", visible=False)


def _draw_text(ax: Any, lines: Sequence[Sequence[Word]]) -> None:
    draw_words(ax, lines)
    ax.set_title("what each part of the text adds, in points")


def _draw_sound(ax: Any, steps: Sequence[Step]) -> None:
    """The time axis of the sound; of features without times, their steps."""
    low, high, unit = _places(steps)
    _bars(ax, low, high - low, steps)
    ax.set(
        xlim=(low[0], high[-1]),
        xlabel=unit,
        ylabel="points",
        title="what each part of the sound adds, in points",
    )


def _draw_frames(ax: Any, steps: Sequence[Step], pictures: Sequence[np.ndarray], strip: float) -> None:
    """Key frames in order of time, their weights under them. strip: inches that the pictures stand above the bars."""
    places = np.arange(len(steps))
    _bars(ax, places - 0.4, np.full(len(steps), 0.8), steps)
    ax.set(xlim=(-0.5, len(steps) - 0.5), title="what each part of the video adds, in points")
    ax.set_ylabel("points", y=0.5 * _BARS / (_BARS + strip))
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


def _bars(ax: Any, left: np.ndarray, width: np.ndarray, steps: Sequence[Step]) -> None:
    weights = np.array([100 * step.weight for step in steps])
    colours = [FOR if weight >= 0 else AGAINST for weight in weights]
    ax.bar(
        left,
        weights,
        width,
        align="edge",
        color=colours,
        edgecolor=INK,
        linewidth=0.3 if len(steps) < 100 else 0,
    )
    ax.axhline(0, color=INK, linewidth=0.8)
    reach = max(0.5, float(np.abs(weights).max()))
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
    share, mean = 100 * explanation.subsets[""], 100 * explanation.baseline
    before, missed = 100 * _before(explanation), 100 * explanation.residual
    return (
        "The bars are calibrated, as `predict` gives them; all else is not: before calibration "
        f"{short(explanation.target)} has {before:.1f}%, and points are hundredths of that probability. Cues: Shapley "
        f"values, which add up from its share of the training rows, {share:.1f}%, to {before:.1f}%. Words, moments "
        f"and frames: integrated gradients, which add up from {mean:.1f}%, where every time step is the training mean, "
        f"to {before:.1f}%"
        + (f" (they miss {missed:+.1f})" if abs(missed) >= 1 else "")
        + f". Each panel has its own scale.{_note(explanation)}"
    )


def _note(explanation: Explanation) -> str:
    return f" {explanation.prediction.note}." if explanation.prediction.note else ""


def _told(explanation: Explanation, utterance: Utterance) -> str:
    label = f", labelled {utterance.emotion}" if utterance.emotion else ""
    said, before = 100 * explanation.prediction.probabilities[explanation.target], 100 * _before(explanation)
    parts = [
        f"{utterance.id}: said {explanation.target} ({said:.1f}%){label}. Before calibration it has {before:.1f}%, "
        "of which:"
    ]
    for cue, share in explanation.shapley.items():
        other = explanation.without[cue]
        weighty = sorted(explanation.steps[cue], key=lambda step: -abs(step.weight))[:_NAMED_IN_ALT]
        steps = ", ".join(f"{s.moment.label} {100 * s.weight:+.1f}" for s in weighty)
        without = f"without it {other.emotion} {100 * other.probability:.1f}%"
        parts.append(f"{cue} {100 * share:+.1f} points, {without}; most: {steps}.")
    return plain(" ".join(parts))
