"""Single utterances taken apart: which cue, which words, which moments and which frames carried what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.textpath import TextToPath
from PIL import Image

from tricue.config import VideoFeatures
from tricue.evaluation.explain import Explanation, Step
from tricue.features.video import key_frames
from tricue.report.figure import CUE_COLOURS, FAINT, INK, Drawn, canvas, emotion_colours
from tricue.types import Utterance

FOR, AGAINST = "#77AADD", "#EE8866"  # Paul Tol's "light" scheme; beside them the sign, never colour alone
CLASSES_SHOWN = 8
_THUMBNAIL = (160, 120)  # pixels, at most
_WIDTH = 6.2  # inches that are left for a line of words, labels beside it not counted
_LINE = 0.44  # inches from one line of words to the next
_LONGEST = 40  # characters of a word that are shown
_TOLD = 0.005  # of probability: words from this weight on have it written under them
_NAMED_IN_ALT = 3  # steps of each cue


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
    """Chances and cues above; below, the time steps of each cue that the utterance has.

    pictures: of the key frames, as `thumbnails` gives them. Raises ValueError where they are not as many as the frames.
    """
    steps = explanation.steps
    if pictures and len(pictures) != len(steps.get("video", ())):
        raise ValueError(f"{utterance.id}: {len(pictures)} pictures for {len(steps.get('video', ()))} frames")
    lines = _lines(steps.get("text", ()))
    shown = min(len(emotions), CLASSES_SHOWN)
    heights = [max(1.5, 0.23 * shown + 0.4)]
    heights += [_LINE * len(lines) + 0.1] if "text" in steps else []
    heights += [1.1] if "audio" in steps else []
    heights += [1.1 + 0.75 * bool(pictures)] if "video" in steps else []
    with canvas(8, sum(heights) + 0.45 * len(heights), len(heights), 2, height_ratios=heights) as (
        figure,
        axes,
    ):
        _draw_chances(axes[0, 0], explanation, utterance.emotion, emotions)
        _draw_cues(axes[0, 1], explanation)
        for row, cue in enumerate(steps, start=1):
            place = axes[row, 0].get_gridspec()[row, :]
            for ax in axes[row]:
                ax.remove()
            ax = figure.add_subplot(place)
            if cue == "text":
                _draw_words(ax, lines)
            elif cue == "audio":
                _draw_sound(ax, steps[cue])
            else:
                _draw_frames(ax, steps[cue], pictures or ())
    data = {"id": utterance.id, "label": utterance.emotion, **explanation.to_json()}
    return Drawn(name, title, _caption(explanation), _told(explanation, utterance), figure, data)


def _draw_chances(ax: Any, explanation: Explanation, label: str | None, emotions: Sequence[str]) -> None:
    """A bar per class, the likeliest where there are many, the label always."""
    chances, colours = explanation.prediction.probabilities, emotion_colours(emotions)
    ranked = sorted(emotions, key=lambda e: (e != label, -chances[e]))[:CLASSES_SHOWN]
    shown = [e for e in emotions if e in ranked]
    values = [100 * chances[e] for e in shown]
    ax.barh(shown, values, color=[colours[e] for e in shown])
    for at, (emotion, value) in enumerate(zip(shown, values, strict=True)):
        marks = [
            word
            for word, holds in (("said", emotion == explanation.target), ("label", emotion == label))
            if holds
        ]
        told = f" {value:.1f}" + (f"  {' = '.join(marks)}" if marks else "")
        ax.text(value, at, told, va="center", fontsize=9, fontweight="bold" if marks else "normal")
    left = f", {len(shown)} of {len(emotions)} classes" if len(shown) < len(emotions) else ""
    ax.set(xlim=(0, 145), xticks=range(0, 101, 25), title=f"probability in %{left}")
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()


def _draw_cues(ax: Any, explanation: Explanation) -> None:
    """What each cue adds (Shapley), and what is said without it."""
    shares = {cue: 100 * share for cue, share in explanation.shapley.items()}
    reach = max(1.0, *(abs(share) for share in shares.values()))
    for at, (cue, share) in enumerate(shares.items()):
        other = explanation.without[cue]
        turns = "turns to " if cue in explanation.flips else ""
        ax.barh(at, share, height=0.42, color=CUE_COLOURS[cue])
        ax.text(share, at, f" {share:+.1f} ", va="center", ha="left" if share >= 0 else "right", fontsize=9)
        ax.text(
            -1.45 * reach, at + 0.42, f"without: {turns}{other.emotion} {100 * other.probability:.0f}%",
            va="center", fontsize=9, fontweight="bold" if turns else "normal", parse_math=False,
        )  # fmt: skip
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(xlim=(-1.45 * reach, 1.45 * reach), ylim=(len(shares) - 0.35, -0.45), yticks=range(len(shares)),
           yticklabels=list(shares), title=f"points that each cue adds to {explanation.target}")  # fmt: skip
    ax.grid(axis="y", visible=False)


@dataclass(frozen=True)
class _Word:
    """A word in its place, in inches from the line's beginning."""

    text: str
    weight: float
    left: float
    width: float


def _lines(steps: Sequence[Step]) -> list[list[_Word]]:
    """Words with their weights in lines of _WIDTH."""
    lines: list[list[_Word]] = [[]]
    left = 0.0
    for step in steps:
        text = step.moment.label
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        width = max(_inches(text, 10), _inches(_points(step.weight), 8)) + 0.1
        if left + width > _WIDTH and lines[-1]:
            lines.append([])
            left = 0.0
        lines[-1].append(_Word(text, step.weight, left, width))
        left += width + 0.06
    return lines


def _inches(text: str, size: float) -> float:
    """Width of a text in the figure's typeface."""
    from matplotlib.font_manager import FontProperties

    return TextToPath().get_text_width_height_descent(text, FontProperties(size=size), False)[0] / 72


def _draw_words(ax: Any, lines: Sequence[Sequence[_Word]]) -> None:
    """What was said, shaded by weight, the weight under it."""
    from matplotlib.patches import Rectangle

    most = max([abs(word.weight) for line in lines for word in line], default=0.0) or 1.0
    for row, line in enumerate(lines):
        for word in line:
            shade = FOR if word.weight >= 0 else AGAINST
            box = Rectangle((word.left, row + 0.06), word.width, 0.5, color=shade, linewidth=0)
            box.set_alpha(abs(word.weight) / most)
            ax.add_patch(box)
            middle = word.left + word.width / 2
            ax.text(
                middle,
                row + 0.31,
                word.text,
                ha="center",
                va="center_baseline",
                fontsize=10,
                parse_math=False,
            )
            if abs(word.weight) >= _TOLD:
                ax.text(
                    middle, row + 0.74, _points(word.weight), ha="center", va="center_baseline", fontsize=8
                )
    ax.set(xlim=(0, _WIDTH), ylim=(len(lines), 0), title="words, and the points that each adds")
    ax.set_axis_off()


def _draw_sound(ax: Any, steps: Sequence[Step]) -> None:
    """The time axis of the sound; of features without times, their steps."""
    low, high, unit = _places(steps)
    _bars(ax, low, high - low, steps)
    ax.set(xlim=(low[0], high[-1]), xlabel=unit, ylabel="points", title="sound: points that each moment adds")


def _draw_frames(ax: Any, steps: Sequence[Step], pictures: Sequence[np.ndarray]) -> None:
    """Key frames in order of time, their weights under them."""
    places = np.arange(len(steps))
    _bars(ax, places - 0.4, np.full(len(steps), 0.8), steps)
    ax.set(xlim=(-0.5, len(steps) - 0.5), ylabel="points", title="key frames, and the points that each adds")
    if len(steps) <= 20:
        ax.set(xticks=places, xticklabels=[_when(step, i + 1) for i, step in enumerate(steps)])
    if not pictures:
        return
    strip = ax.inset_axes((0, 0.42, 1, 0.58))
    for at, picture in enumerate(pictures):
        strip.imshow(picture, extent=(at - 0.46, at + 0.46, 0, 0.92 * picture.shape[0] / picture.shape[1]))
    strip.set(xlim=(-0.5, len(steps) - 0.5), anchor="S")
    strip.set_axis_off()
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / 0.38)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])


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


def _points(weight: float) -> str:
    return f"{100 * weight:+.1f}".replace("-", "−")


def _caption(explanation: Explanation) -> str:
    note = f" {explanation.prediction.note}." if explanation.prediction.note else ""
    missed = (
        ""
        if abs(explanation.residual) < 0.01
        else f" (their integral misses {100 * explanation.residual:+.1f})"
    )
    return (
        f"Points are hundredths of the probability of {explanation.target}, before calibration. Cues: Shapley values; they "
        f"add up from its share of the training rows, {100 * explanation.subsets['']:.1f}%, to what is said. Words, moments "
        f"and frames: integrated gradients; they add up from {100 * explanation.baseline:.1f}%, where every time step is "
        f"the training mean{missed}. Each panel has its own scale.{note}"
    )


def _told(explanation: Explanation, utterance: Utterance) -> str:
    label = f", labelled {utterance.emotion}" if utterance.emotion else ""
    said = 100 * explanation.prediction.probabilities[explanation.target]
    parts = [f"{utterance.id}: said {explanation.target} ({said:.1f}%){label}."]
    for cue, share in explanation.shapley.items():
        other = explanation.without[cue]
        weighty = sorted(explanation.steps[cue], key=lambda step: -abs(step.weight))[:_NAMED_IN_ALT]
        steps = ", ".join(f"{s.moment.label} {100 * s.weight:+.1f}" for s in weighty)
        parts.append(
            f"{cue} {100 * share:+.1f} points, without it {other.emotion} {100 * other.probability:.1f}%; most: {steps}."
        )
    return " ".join(parts)
