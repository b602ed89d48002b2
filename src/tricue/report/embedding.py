"""t-SNE of what the network holds: after cross-attention and after each progressive BiLSTM layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.device import cores
from tricue.report.figure import (
    MANY_CLASSES,
    MARKERS,
    Drawn,
    canvas,
    class_legend,
    emotion_colours,
    legend_columns,
    short,
)
from tricue.report.readings import Reading, Space
from tricue.report.tsne import embed_all, perplexity, separation

MANY, FEW, PANELS = 2000, 500, 12  # points per panel: many for up to so many panels


def points_per_panel(panels: int) -> int:
    return MANY if panels <= PANELS else FEW


def draw_embeddings(readings: Sequence[Reading], seed: int, points: int | None = None) -> list[list[Drawn]]:
    """A picture per place and cue for each phase, grouped by place and cue: [[phase 1, 2, 3], ...].

    One embedding each, with the same settings, seed and rows. points: at most so many; None: `points_per_panel`.
    """
    panels = [(reading, space) for reading in readings for space in reading.spaces]
    most = points or points_per_panel(len(panels))
    chosen = [_sample(space, most, seed) for _, space in panels]
    maps = embed_all([vectors for _, vectors in chosen], seed, cores())
    drawn = [
        _draw(reading, space, rows, flat, separation(vectors, reading.labels[rows]))
        for (reading, space), (rows, vectors), flat in zip(panels, chosen, maps, strict=True)
    ]
    groups: dict[tuple[str, str], list[Drawn]] = {}
    for (_, space), picture in zip(panels, drawn, strict=True):
        groups.setdefault((space.place, space.cue), []).append(picture)
    return list(groups.values())


def _sample(space: Space, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same rows in every phase, as they depend on the seed and the number of rows alone."""
    count = len(space.rows)
    kept = np.arange(count)
    if count > most:
        kept = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return space.rows[kept], space.vectors[kept]


def _draw(
    reading: Reading, space: Space, rows: np.ndarray, flat: np.ndarray | None, score: float | None
) -> Drawn:
    title = f"{space.cue}, {space.place}, phase {reading.phase}"
    name = f"tsne-{space.place.replace(' ', '-').lower()}-{space.cue}-phase{reading.phase}"
    if flat is None:
        return Drawn(name, title, "", why_not=f"{len(rows)} rows are too few for a map, or are all alike")
    labels, colours = reading.labels[rows], emotion_colours(reading.emotions)
    told = "not defined" if score is None else f"{score:.3f}"
    names = [short(emotion) for emotion in reading.emotions]
    legend = len(names) <= MANY_CLASSES
    lines = math.ceil(len(names) / legend_columns(names, 3)) if legend else 0
    with canvas(3.6, 3.8 + 0.18 * lines) as (figure, axes):
        ax = axes[0, 0]
        dots = []
        for c, emotion in enumerate(reading.emotions):
            own = flat[labels == c]
            dots.append(ax.scatter(own[:, 0], own[:, 1], s=11, marker=MARKERS[c % len(MARKERS)],
                                   color=colours[emotion], linewidths=0, alpha=0.8))  # fmt: skip
        ax.set(title=f"{space.cue}, {space.place}\nphase {reading.phase}", xticks=[], yticks=[], aspect="equal",
               adjustable="datalim", xlabel=f"silhouette {told} (n = {len(rows)})")  # fmt: skip
        ax.spines[["top", "right"]].set_visible(True)
        if legend:
            class_legend(figure, dots, names, 3, markerscale=1.6, handletextpad=0.2, columnspacing=1.0)
    data: dict[str, Any] = {
        "points": flat.round(3).tolist(), "labels": [reading.emotions[c] for c in labels], "silhouette": score,
        "perplexity": perplexity(len(rows)),
        "ids": [reading.evaluation.utterances[i].id for i in rows],
    }  # fmt: skip
    alt = f"t-SNE map of {title}: {len(rows)} rows; silhouette of the classes in the features' own space {told}."
    caption = "" if legend else f"{len(names)} classes: colours and markers come round, and say little."
    return Drawn(name, title, caption, alt, figure, data, many_points=True)
