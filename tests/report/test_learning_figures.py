"""Learning curves hold the history's own numbers; what was not recorded is said in its place."""

from collections.abc import Callable

import numpy as np
import pytest

from tricue.evaluation.metrics_table import HEADLINE, MISSING
from tricue.report.learning_figures import WITHOUT, draw_counterfactual, draw_learning
from tricue.report.readings import Material, Reading
from tricue.report.score_tables import phase_sections
from tricue.tasks.categorical import Categorical
from tricue.tasks.dimensional import Dimensional

HISTORY = [
    {"phase": 1, "epoch": 0, "train_accuracy": 0.25, "train_loss": 2.0, "train_auxiliary_loss": 2.5,
     "train_cross_entropy_loss": 2.0, "val_accuracy": 0.5, "val_weighted_f1": 0.4, "val_loss": 1.5, "rate": 1e-3,
     "a_text": 0.12, "best": True},
    {"phase": 3, "epoch": 0, "train_accuracy": 0.75, "train_loss": 1.0, "train_cross_entropy_loss": 0.9,
     "val_accuracy": 0.5, "train_alignment_loss": 0.5, "train_change": 0.3, "train_flips": 0.1,
     "val_weighted_f1": 0.6, "val_loss": 1.0, "rate": 1e-4, "a_text": 0.2},
]  # fmt: skip


def test_curves_are_the_history(make_reading: Callable[..., Reading]) -> None:
    accuracy, loss, parts, rate = draw_learning(HISTORY, Categorical)
    assert accuracy.data["train_accuracy"] == [25.0, 75.0] and accuracy.data["val_weighted_f1"] == [40.0, 60.0]
    assert accuracy.data["phase"] == [1, 3] and accuracy.data["epoch"] == [1, 2]
    assert loss.data["train_loss"] == [2.0, 1.0] and loss.data["train_cross_entropy_loss"] == [2.0, 0.9]
    assert parts.data["train_auxiliary_loss"] == [2.5, None] and rate.data["rate"] == [1e-3, 1e-4]
    assert parts.data["train_alignment_loss"] == [None, 0.5]  # phase 1 has none: a gap, not a zero
    assert "train accuracy from 25 to 75" in accuracy.alt and "train, cross entropy alone from 2 to 0.9" in loss.alt


def test_the_counterfactual_part(make_reading: Callable[..., Reading]) -> None:
    reading = make_reading(np.array([0, 1, 2, 0]), np.eye(3)[[0, 1, 2, 0]])
    strength, change, moved = draw_counterfactual(HISTORY, [reading])
    assert strength.data["a_text"] == [0.12, 0.2] and change.data["train_change"] == [None, 30.0]
    assert moved.data == {"phase": [1], "change": [25.0], "flips": [25.0]}


def test_without_a_history_the_scored_rows_are_still_drawn(make_reading: Callable[..., Reading]) -> None:
    assert all(d.figure is None and d.why_not == WITHOUT for d in draw_learning([], Categorical))
    reading = make_reading(np.array([0, 1]), np.eye(3)[[0, 1]])
    strength, change, moved = draw_counterfactual([], [reading])
    assert strength.figure is None and change.figure is None and moved.figure is not None


@pytest.mark.filterwarnings("error")
def test_no_scored_row_with_a_modality_is_told_without_a_number(make_reading: Callable[..., Reading]) -> None:
    reading = make_reading(np.array([0, 1]), np.eye(3)[[0, 1]], answered=np.zeros(2, bool))
    *_, moved = draw_counterfactual(HISTORY, [reading])
    assert moved.figure is None and "no scored row has a modality" in moved.why_not
    reading.evaluation.metrics.update({name: {"value": 0.5, "low": None, "high": None} for name in HEADLINE})
    (section,) = phase_sections(Material({}, "", Categorical(("anger", "joy")), [], [], [reading]))
    (table,) = section.tables
    assert table.rows[0][-2:] == [MISSING, MISSING]


def test_fixed_epochs_have_no_val() -> None:
    history = [{k: v for k, v in row.items() if not k.startswith("val_")} for row in HISTORY]
    accuracy, *_ = draw_learning(history, Categorical)
    assert set(accuracy.data) == {"epoch", "phase", "train_accuracy"}


def test_values_have_curves_of_their_own_score_and_loss() -> None:
    history = [
        {"phase": 1, "epoch": 0, "train_error": 0.9, "train_loss": 1.5, "train_ccc_loss": 1.1, "val_ccc": 0.2,
         "val_mae": 0.5, "val_loss": 0.8, "rate": 1e-3},
    ]  # fmt: skip
    score, error, loss, parts, _ = draw_learning(history, Dimensional)
    assert score.name == "learning-ccc" and score.data["val_ccc"] == [0.2] and "val CCC" in score.alt
    assert error.data["train_error"] == [0.9] and "in %" not in error.alt
    assert loss.data["train_ccc_loss"] == [1.1] and loss.data["val_loss"] == [0.8] and "ccc alone" in loss.alt
    assert parts.data["train_ccc_loss"] == [1.1]
