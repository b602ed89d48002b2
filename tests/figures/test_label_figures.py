"""The figures of label sets hold scikit-learn's numbers, and many labels go on further sheets."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from tricue.figures.label_figures import draw_f1, draw_precision, draw_reliability, label_sections
from tricue.figures.page_parts import Answers
from tricue.figures.panels import PANELS


def made(labels: int = 3, rows: int = 80, thresholds: list[float] | None = None) -> Answers:
    rng = np.random.default_rng(0)
    truth = (rng.random((rows, labels)) < 0.4).astype(np.float32)
    truth[:, -1] = 0  # no row has the last
    chances = expit(2 * (truth - 0.5) + rng.normal(size=truth.shape))
    values = np.stack([chances, chances >= 0.5], axis=-1)
    names = [f"label {i}" for i in range(labels)]
    found = {"thresholds": thresholds or [0.5] * labels}
    return Answers("Phase 2", "phase2", "#332288", names, truth, values, np.ones(rows, bool), calibration=found)


def test_precision_and_recall_are_scikit_learns() -> None:
    answers = made()
    (drawn,) = draw_precision([answers])
    for k, name in enumerate(answers.names[:2]):
        found, truth = drawn.data[name]["Phase 2"], answers.targets[:, k]
        named = answers.values[:, k, 1]
        assert found["ap"] == pytest.approx(average_precision_score(truth, answers.values[:, k, 0]))
        assert found["at"] == pytest.approx([recall_score(truth, named), precision_score(truth, named)])
        assert f"{100 * found['ap']:.1f}" in drawn.alt
        assert max(found["recall"]) == 1.0 and min(found["recall"]) > 0
    assert drawn.data["label 2"] is None and "label 2 is of no row" in drawn.alt


def test_a_curve_of_many_rows_is_thinned() -> None:
    answers = made(rows=3000)
    assert len(draw_precision([answers])[0].data["label 0"]["Phase 2"]["recall"]) == 200


def test_f1_is_that_of_the_decisions_and_thresholds_stand_beside_it() -> None:
    answers = made(thresholds=[0.31, 0.5, 0.62])
    drawn = draw_f1(answers)
    expected = f1_score(answers.targets, answers.values[..., 1], average=None, zero_division=0)
    assert [own["f1"] for own in drawn.data["labels"].values()] == pytest.approx(expected.tolist())
    assert drawn.data["labels"]["label 2"]["support"] == 0
    assert drawn.figure is not None
    told = [text.get_text() for text in drawn.figure.axes[0].texts]
    assert told == ["≥ 0.31", "≥ 0.50", "≥ 0.62"]


def test_reliability_is_scikit_learns_and_leaves_out_rows_without_an_answer() -> None:
    answers = replace(made(), answered=np.arange(80) < 60)
    (drawn,) = draw_reliability([answers])
    truth, chances = answers.targets[:60, 0], answers.values[:60, 0, 0]
    share, mean = calibration_curve(truth, chances, n_bins=10)
    bins = drawn.data["label 0"]["Phase 2"]["bins"]
    assert [b["accuracy"] for b in bins] == pytest.approx(share) and [b["confidence"] for b in bins] == pytest.approx(
        mean
    )
    assert drawn.caption.startswith("20 of 80 rows have no usable modality")


def test_many_labels_are_on_further_sheets_which_are_folded() -> None:
    answers = made(labels=PANELS + 2)
    curves, bars, reliability = label_sections([answers, replace(answers, title="Phase 1", is_shown=False)])
    for section in (curves, reliability):
        assert [len(section.groups), len(section.folded)] == [1, 1]
        assert len(section.pictures[1].data) == 2 and section.pictures[1].name.endswith("-2")
    assert len(bars.pictures) == 2


def test_no_answer_at_all_is_no_error() -> None:
    answers = replace(made(), answered=np.zeros(80, bool))
    (drawn,) = draw_reliability([answers])
    assert drawn.data == {name: {} for name in answers.names}
