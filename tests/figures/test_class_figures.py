"""ROC curves and confusion matrices hold scikit-learn's numbers, and say where a class cannot be drawn."""

from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix, roc_auc_score

from tricue.figures.canvas import MANY_CLASSES, Drawn
from tricue.figures.class_figures import TOLD, draw_confusion, draw_roc
from tricue.figures.page_parts import Answers

Make = Callable[..., Answers]


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    chances = rng.dirichlet([1, 1, 1], 90) + 0.4 * np.eye(3)[labels]
    return labels, chances / chances.sum(axis=1, keepdims=True)


def test_areas_are_scikit_learns(make_answers: Make, answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, chances = answers
    drawn = draw_roc(make_answers(labels, chances, phase=2))
    assert drawn.name == "roc-phase2" and list(drawn.data) == ["anger", "joy", "neutral"]
    for c, numbers in enumerate(drawn.data.values()):
        area = roc_auc_score(labels == c, chances[:, c])
        assert numbers["auc"] == pytest.approx(area, abs=1e-12)
        assert f"{area:.3f}" in drawn.alt
        assert numbers["true_positive_rate"][0] == 0 and numbers["false_positive_rate"][-1] == 1


def test_counts_and_shares_are_scikit_learns(make_answers: Make, answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, chances = answers
    data = draw_confusion(make_answers(labels, chances)).data
    counts = confusion_matrix(labels, chances.argmax(axis=1))
    assert data["counts"] == counts.tolist()
    assert np.allclose(data["shares_percent"], 100 * counts / counts.sum(axis=1, keepdims=True), atol=1e-3)


def test_a_class_without_rows_is_named_and_the_others_drawn(make_answers: Make) -> None:
    labels, chances = np.array([0, 1] * 5), np.tile([0.5, 0.3, 0.2], (10, 1))
    roc, confusion = draw_roc(make_answers(labels, chances)), draw_confusion(make_answers(labels, chances))
    assert list(roc.data) == ["anger", "joy"] and "neutral" in roc.caption
    assert "neutral" in confusion.caption and confusion.data["shares_percent"][2] == [0, 0, 0]


def test_a_class_of_one_row_is_drawn(make_answers: Make) -> None:
    labels = np.array([0] * 9 + [1])
    drawn = draw_roc(make_answers(labels, np.tile([0.9, 0.1, 0.0], (10, 1))))
    assert set(drawn.data) == {"anger", "joy"} and drawn.data["joy"]["auc"] == 0.5


def test_one_class_alone_says_why_there_is_no_curve(make_answers: Make) -> None:
    labels, chances = np.zeros(5, dtype=int), np.tile([0.9, 0.1], (5, 1))
    drawn = draw_roc(make_answers(labels, chances))
    assert drawn.figure is None and "one class" in drawn.why_not
    assert draw_confusion(make_answers(labels, chances)).figure is not None


def readings(make_answers: Make, emotions: list[str]) -> Answers:
    rng, count = np.random.default_rng(0), len(emotions)
    labels = np.concatenate([np.arange(count), rng.integers(0, count, 90)])
    return make_answers(labels, rng.dirichlet(np.ones(count), len(labels)), emotions=emotions)


def test_many_classes_are_drawn_without_what_would_cover_them(make_answers: Make) -> None:
    few, many = (readings(make_answers, [f"class {i}" for i in range(n)]) for n in (MANY_CLASSES, TOLD + 1))
    (legend,) = draw_roc(few).figure.legends  # type: ignore[union-attr]
    assert len(legend.get_texts()) == MANY_CLASSES
    roc, confusion = draw_roc(many), draw_confusion(many)
    assert not roc.figure.legends and "roc-phase1.json" in roc.caption  # type: ignore[union-attr]
    assert len(roc.data) == TOLD + 1
    assert not confusion.figure.axes[0].texts and "confusion-phase1.json" in confusion.caption  # type: ignore[union-attr]


def test_a_picture_of_very_many_classes_has_a_bound(make_answers: Make) -> None:
    figure = draw_confusion(readings(make_answers, [f"{i}" for i in range(300)])).figure
    assert figure is not None and max(figure.get_size_inches()) <= 24
    assert len(figure.axes[0].get_xticklabels()) < 300  # their type would be too small to read


@pytest.mark.parametrize("draw", [draw_roc, draw_confusion])
def test_names_of_any_kind_stay_within_the_picture(make_answers: Make, draw: Callable[[Answers], Drawn]) -> None:
    names = ["x" * 150, "x" * 149 + "y", "$a^$", "_mixed", "bell\a", "joy"]
    drawn = draw(readings(make_answers, names))
    figure = drawn.figure
    assert figure is not None
    figure.draw_without_rendering()
    told = " ".join(text.get_text() for text in figure.findobj(Text))
    for name in (f"{'x' * 15}…{'x' * 8}", f"{'x' * 15}…{'x' * 7}y", "$a^$", "_mixed", "bell\ufffd", "joy"):
        assert name in told
    inches, drawn_in = figure.bbox_inches.padded(0.02), figure.get_tightbbox()
    assert inches.contains(*drawn_in.min) and inches.contains(*drawn_in.max)
    ElementTree.fromstring(drawn.svg)
