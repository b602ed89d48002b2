"""The expected calibration error, by hand and by another way of counting; the temperature that lowers it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve

from tricue.calibration import (
    BINS,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    reliability,
    uncalibrated,
)

ROWS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60)


def test_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    right = np.array([True, False, True, True])
    found = reliability(confidence, right)
    assert found["ece"] == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert [(b["rows"], b["accuracy"]) for b in found["bins"]] == [(2, 1.0), (2, 0.5)]


@given(ROWS)
def test_bins_hold_every_row_once_and_the_error_is_their_weighted_gap(rows: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    found = reliability(confidence, right)
    assert sum(b["rows"] for b in found["bins"]) == len(rows)
    gap = 0.0
    for b in range(BINS):  # bin b is (b / 10, (b + 1) / 10], the first holds 0
        own = [i for i, c in enumerate(confidence) if max(0, int(np.ceil(round(c * BINS, 12))) - 1) == b]
        if own:
            gap += len(own) / len(rows) * abs(right[own].mean() - confidence[own].mean())
    edges = np.abs(confidence * BINS - np.round(confidence * BINS)) < 1e-9
    if not edges.any():  # where 0.3 is 0.30000000000000004 either bin is right
        assert found["ece"] == pytest.approx(gap, abs=1e-9)
    assert 0 <= found["ece"] <= 1


def test_points_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    confidence, right = rng.uniform(0, 1, 400), rng.uniform(0, 1, 400) < 0.6
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS)
    bins = reliability(confidence, right)["bins"]
    assert np.allclose([b["accuracy"] for b in bins], accuracy)
    assert np.allclose([b["confidence"] for b in bins], mean)


def draw_rows(scale: float, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels are drawn from softmax(logits), and those logits times `scale`."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (rows, 4))
    labels = np.array([rng.choice(4, p=chances) for chances in softmax(logits, axis=1)])
    return scale * logits, labels


@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0, 20.0])
def test_the_temperature_undoes_what_logits_were_multiplied_with(scale: float) -> None:
    logits, labels = draw_rows(scale)
    assert fit_temperature(logits, labels) == pytest.approx(scale, rel=0.06)


def test_the_temperature_is_the_one_that_torch_finds() -> None:
    logits, labels = draw_rows(2.5, 500)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scaled = torch.from_numpy(logits) / log_temperature.exp()
        value = torch.nn.functional.cross_entropy(scaled, torch.from_numpy(labels))
        value.backward()
        return value

    optimizer.step(loss)
    assert fit_temperature(logits, labels) == pytest.approx(log_temperature.exp().item(), rel=1e-3)


def test_calibrating_lowers_the_error_and_moves_no_answer() -> None:
    logits, labels = draw_rows(3.0)
    found = calibrate(logits, labels)
    assert found["rows"] == 4000 and found["ece_before"] > 0.1 and found["ece_after"] < 0.03
    calibrated = softmax(logits / found["temperature"], axis=1)
    assert (calibrated.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert expected_calibration_error(calibrated, labels) == found["ece_after"]


def test_one_row_or_separable_rows_give_a_finite_temperature() -> None:
    assert np.isfinite(fit_temperature(np.array([[3.0, -1.0]]), np.array([0])))
    assert fit_temperature(np.array([[3.0, -1.0]]), np.array([1])) > 1.0  # sure and wrong: less sure


@given(st.floats(0.1, 10.0))
def test_the_plain_probabilities_come_back(temperature: float) -> None:
    logits = np.random.default_rng(3).normal(0, 2, (20, 5))
    calibrated = softmax(logits / temperature, axis=1)
    assert np.allclose(uncalibrated(calibrated, temperature), softmax(logits, axis=1), atol=1e-9)
