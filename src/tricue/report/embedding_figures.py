"""t-SNE of what the network holds: after cross-attention and after each progressive BiLSTM layer."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tricue.device import cores
from tricue.figures import canvas as shared
from tricue.figures.canvas import MARKERS, Drawn, canvas, short
from tricue.figures.page_parts import Colouring, Group, Section, Table
from tricue.report.readings import CROSS, Material, Reading, Space
from tricue.report.tsne import NEIGHBOURS, PERPLEXITY, embed_all, neighbour_correlation, perplexity, separation

MANY, FEW, PANELS = 2000, 500, 12  # points per panel: many for up to so many panels

OF_CLASSES = (
    "the silhouette under each is taken in the features' own space: higher means classes better apart, 0 means not "
    "apart."
)
OF_VALUES = (
    "the neighbours' correlation under each is taken in the features' own space: Pearson's, of each row's value and "
    f"the mean of the {NEIGHBOURS} rows nearest to it; 0 means that likeness says nothing of the value."
)


def maps_sections(page: Material) -> list[Section]:
    seed, colouring = page.shown.evaluation.config.seed, page.task.colouring(page.shown.answers.targets)
    groups = draw_embeddings(page.readings, colouring, seed, page.points)
    most = page.points or points_per_panel(sum(map(len, groups)))
    rows = [Group(g, title=_place(g)) for g in groups]
    first = [row for row in rows if CROSS in row.title]
    intro = (
        f"Mean over time of each row's vectors, coloured by {colouring.name}; one embedding per panel, "
        f"{_perplexity(groups)}, seed {seed}, the same rows in every phase, at most {most} of them. Distances between "
        f"maps mean nothing; {OF_CLASSES if colouring.classes else OF_VALUES}"
    )
    others = [row for row in rows if row not in first]
    return [Section("t-SNE", intro, tables=[_separations(groups, colouring)], groups=first, folded=others)]


def _place(group: Sequence[Drawn]) -> str:
    return group[0].title.rsplit(", phase", 1)[0]


def _perplexity(groups: Sequence[Sequence[Drawn]]) -> str:
    """What the maps were made with: of few rows less than of many."""
    used = sorted({drawn.data["perplexity"] for group in groups for drawn in group if drawn.data})
    if not used:
        return f"perplexity {PERPLEXITY}"
    few = f" (of few rows less than {PERPLEXITY}: a third of their number less one)"
    upper = f" to {used[-1]:.3g}" if len(used) > 1 else ""
    return f"perplexity {used[0]:.3g}{upper}{few if used[0] != PERPLEXITY else ''}"


def _measure(colouring: Colouring) -> str:
    """What says how well a space tells rows apart, in the JSON of a map and in words."""
    return "silhouette" if colouring.classes else "neighbours' correlation"


def _separations(groups: Sequence[Sequence[Drawn]], colouring: Colouring) -> Table:
    """How well each place tells rows apart, phase by phase."""
    measure = _measure(colouring)
    phases = [drawn.title.rsplit(", ", 1)[1] for drawn in groups[0]] if groups else []
    rows = []
    for group in groups:
        scores = [d.data[measure] if d.data else None for d in group]
        rows.append([_place(group), *("–" if s is None else f"{s:+.3f}" for s in scores)])
    return Table([measure.capitalize(), *phases], rows)


def points_per_panel(panels: int) -> int:
    return MANY if panels <= PANELS else FEW


def draw_embeddings(
    readings: Sequence[Reading], colouring: Colouring, seed: int, points: int | None = None
) -> list[list[Drawn]]:
    """A picture per place and modality for each phase, grouped by place and modality: [[phase 1, 2, 3], ...].

    One embedding each, with the same settings, seed and rows. points: at most so many; None: `points_per_panel`.
    """
    panels = [(reading, space) for reading in readings for space in reading.spaces]
    most = points or points_per_panel(len(panels))
    chosen = [_sample(space, most, seed) for _, space in panels]
    maps = embed_all([vectors for _, vectors in chosen], seed, cores())
    tell = separation if colouring.classes else neighbour_correlation
    drawn = [
        _draw(reading, space, rows, flat, colouring, tell(vectors, colouring.values[rows]))
        for (reading, space), (rows, vectors), flat in zip(panels, chosen, maps, strict=True)
    ]
    groups: dict[tuple[str, str], list[Drawn]] = {}
    for (_, space), picture in zip(panels, drawn, strict=True):
        groups.setdefault((space.place, space.modality), []).append(picture)
    return list(groups.values())


def _sample(space: Space, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same rows in every phase, as they depend on the seed and the number of rows alone."""
    count = len(space.rows)
    kept = np.arange(count)
    if count > most:
        kept = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return space.rows[kept], space.vectors[kept]


def _draw(
    reading: Reading, space: Space, rows: np.ndarray, flat: np.ndarray | None, colouring: Colouring, score: float | None
) -> Drawn:
    title = f"{space.modality}, {space.place}, phase {reading.phase}"
    name = f"tsne-{space.place.replace(' ', '-').lower()}-{space.modality}-phase{reading.phase}"
    if flat is None:
        return Drawn(name, title, "", why_not=f"{len(rows)} rows are too few for a map, or are all alike")
    measure, told = _measure(colouring), "not defined" if score is None else f"{score:.3f}"
    values, classes = colouring.values[rows], colouring.classes
    names = [short(name) for name in classes]
    legend = 0 < len(names) <= shared.MANY_CLASSES
    lines = math.ceil(len(names) / shared.legend_columns(names, 3)) if legend else 0
    with canvas(3.6, 3.8 + 0.18 * lines) as (figure, axes):
        ax = axes[0, 0]
        ax.set(title=f"{space.modality}, {space.place}\nphase {reading.phase}", xticks=[], yticks=[], aspect="equal",
               adjustable="datalim", xlabel=f"{measure} {told} (n = {len(rows)})")  # fmt: skip
        ax.spines[["top", "right"]].set_visible(True)
        if classes:
            dots = _dots_of_classes(ax, flat, values, classes)
            if legend:
                shared.class_legend(figure, dots, names, 3, markerscale=1.6, handletextpad=0.2, columnspacing=1.0)
        else:
            points = ax.scatter(flat[:, 0], flat[:, 1], 11, values, cmap="viridis", linewidths=0, alpha=0.8)
            figure.colorbar(points, ax=ax, orientation="horizontal", shrink=0.7, label=short(colouring.name))
    data: dict[str, Any] = {
        "points": flat.round(3).tolist(), "labels": [classes[v] for v in values] if classes else values.tolist(),
        measure: score, "perplexity": perplexity(len(rows)),
        "ids": [reading.evaluation.utterances[i].id for i in rows],
    }  # fmt: skip
    of = " of the classes" if classes else ""
    alt = f"t-SNE map of {title}: {len(rows)} rows; {measure}{of} in the features' own space {told}."
    caption = "" if legend or not classes else f"{len(names)} classes: colours and markers come round, and say little."
    return Drawn(name, title, caption, alt, figure, data, many_points=True)


def _dots_of_classes(ax: Any, flat: np.ndarray, values: np.ndarray, classes: Sequence[str]) -> list[Any]:
    colours = shared.emotion_colours(classes)
    dots = []
    for number, name in enumerate(classes):
        own = flat[values == number]
        dots.append(ax.scatter(own[:, 0], own[:, 1], s=11, marker=MARKERS[number % len(MARKERS)],
                               color=colours[name], linewidths=0, alpha=0.8))  # fmt: skip
    return dots
