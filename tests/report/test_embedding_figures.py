"""t-SNE maps: the same rows in every phase, separation in the features' own space, few rows told."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from tricue.figures.page_parts import Colouring
from tricue.report.embedding_figures import draw_embeddings, maps_sections
from tricue.report.readings import CROSS, Material, Reading, Space
from tricue.report.tsne import NEIGHBOURS, embed, embed_all, neighbour_correlation, separation
from tricue.tasks.categorical import Categorical


def spaces(n: int, spread: float, seed: int) -> tuple[np.ndarray, list[Space]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    vectors = (10 * np.eye(3)[labels] + spread * rng.normal(size=(n, 3))).astype(np.float32)
    return labels, [Space(CROSS, "text", np.arange(n), vectors)]


def by_class(labels: np.ndarray, names: Sequence[str] = ("anger", "joy", "neutral")) -> Colouring:
    return Colouring("class", labels, names)


def intro(reading: Reading) -> str:
    reading.evaluation.config = SimpleNamespace(seed=0)  # type: ignore[misc]
    (section,) = maps_sections(Material({}, "", Categorical(("a", "b", "c")), [], [], [reading]))
    return section.intro


def test_separation_is_scikit_learns_and_rises_with_clearer_classes() -> None:
    clear, mixed = (spaces(60, spread, 0) for spread in (0.5, 20.0))
    for labels, (space,) in (clear, mixed):
        assert separation(space.vectors, labels) == pytest.approx(silhouette_score(space.vectors, labels))
    assert separation(clear[1][0].vectors, clear[0]) > 0.8 > 0.2 > separation(mixed[1][0].vectors, mixed[0])


def test_separation_needs_two_classes() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 3))
    assert separation(vectors, np.zeros(6, int)) is None
    assert separation(vectors, np.arange(6)) is None  # every row a class of its own


def test_maps_take_the_same_rows_in_every_phase(make_reading: Callable[..., Reading]) -> None:
    labels, own = spaces(60, 1.0, 0)
    readings = [replace(make_reading(labels, np.eye(3)[labels], phase), spaces=own) for phase in (1, 2)]
    ((first, second),) = draw_embeddings(readings, by_class(labels), seed=3, points=30)
    assert first.data["ids"] == second.data["ids"] and len(first.data["ids"]) == 30
    assert first.data["points"] == second.data["points"]  # same vectors, same seed: same map
    assert first.name == "tsne-cross-attention-text-phase1" and first.many_points
    names = ["anger", "joy", "neutral"]
    assert first.data["labels"] == [names[labels[int(i[1:])]] for i in first.data["ids"]]
    assert f"{first.data['silhouette']:.3f}" in first.alt


def test_the_legend_holds_few_classes_of_any_name(make_reading: Callable[..., Reading]) -> None:
    labels, own = spaces(40, 1.0, 0)
    few = ["_a", "$b^$", "c" * 150]
    for names, told in ((few, ["_a", "$b^$", "c" * 15 + "…" + "c" * 8]), ([*few, *"defghijklm"], None)):
        ((drawn,),) = draw_embeddings(
            [replace(make_reading(labels, np.eye(3)[labels]), spaces=own)], by_class(labels, names), 0
        )
        assert drawn.figure is not None
        legends = [[text.get_text() for text in legend.get_texts()] for legend in drawn.figure.legends]
        assert legends == ([told] if told else []) and ("13 classes" in drawn.caption) == (told is None)


@pytest.mark.parametrize(("rows", "told"), [(22, "perplexity 7 (of few rows"), (120, "perplexity 30, seed")])
def test_the_perplexity_that_was_used_is_told(make_reading: Callable[..., Reading], rows: int, told: str) -> None:
    labels, own = spaces(rows, 1.0, 0)
    assert told in intro(replace(make_reading(labels, np.eye(3)[labels]), spaces=own))


def test_maps_of_many_and_of_few_rows_name_both_perplexities(make_reading: Callable[..., Reading]) -> None:
    labels, (text,) = spaces(100, 1.0, 0)
    few = Space(CROSS, "audio", text.rows[:22], text.vectors[:22])
    reading = replace(make_reading(labels, np.eye(3)[labels]), spaces=[text, few])
    assert "perplexity 7 to 30 (of few rows" in intro(reading)


def test_values_have_a_scale_of_colours_and_the_neighbours_correlation(make_reading: Callable[..., Reading]) -> None:
    labels, (space,) = spaces(60, 1.0, 0)
    values = space.vectors[:, 0] + 0.1 * labels
    reading = replace(make_reading(labels, np.eye(3)[labels]), spaces=[space])
    ((drawn,),) = draw_embeddings([reading], Colouring("valence", values), seed=0)
    nearest = np.argsort(np.linalg.norm(space.vectors[:, None] - space.vectors[None], axis=-1), axis=1)
    means = values[nearest[:, 1 : NEIGHBOURS + 1]].mean(axis=1)
    expected = np.corrcoef(values, means)[0, 1]
    assert drawn.data["neighbours' correlation"] == pytest.approx(expected) and f"{expected:.3f}" in drawn.alt
    assert drawn.data["labels"] == pytest.approx(values.tolist())
    assert drawn.figure is not None and len(drawn.figure.axes) == 2  # the map and its colours


def test_the_neighbours_correlation_needs_rows_that_differ() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 2))
    assert neighbour_correlation(vectors, np.ones(9)) is None
    assert neighbour_correlation(vectors[:NEIGHBOURS], np.arange(NEIGHBOURS)) is None


def test_too_few_rows_are_told(make_reading: Callable[..., Reading]) -> None:
    labels, own = spaces(6, 1.0, 0)
    ((drawn,),) = draw_embeddings([replace(make_reading(labels, np.eye(3)[labels]), spaces=own)], by_class(labels), 0)
    assert drawn.figure is None and "6 rows are too few" in drawn.why_not


def test_rows_that_are_all_alike_have_no_map() -> None:
    assert embed(np.ones((20, 4), np.float32), 0) is None


@pytest.mark.slow
def test_processes_change_no_map() -> None:
    panels = [np.random.default_rng(i).normal(size=(1000, 4)).astype(np.float32)[:, :2] for i in range(2)]
    here, there = (embed_all([p[:20] for p in panels] if n == 1 else panels, 0, n) for n in (1, 2))
    assert np.array_equal(here[1], embed(panels[1][:20], 0)) and np.array_equal(there[1], embed(panels[1], 0))
