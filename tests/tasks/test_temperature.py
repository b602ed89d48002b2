"""The expected calibration error, by hand and by another way of counting; the temperature that lowers it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from tricue.tasks.temperature import (
    COLDEST,
    HOTTEST,
    LEAST_ROWS,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    uncalibrated,
)


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


def test_a_fit_without_a_least_value_ends_at_a_bound() -> None:
    right = np.array([[3.0, -1.0], [-400.0, 2.0]])  # far apart: the cross-entropy is 0 in 64 bits long before the bound
    assert fit_temperature(right, np.array([0, 1])) == COLDEST
    assert fit_temperature(right, np.array([1, 0])) == HOTTEST
    assert fit_temperature(np.zeros((4, 3)), np.array([0, 1, 2, 0])) in (COLDEST, HOTTEST)  # the logits say nothing


def test_temperature_few_val_rows_keep_it_at_1() -> None:
    logits, labels = draw_rows(3.0, LEAST_ROWS)
    assert calibrate(logits, labels)["temperature"] == pytest.approx(3.0, rel=0.4)
    few = calibrate(logits[1:], labels[1:])
    assert few["temperature"] == 1.0 and few["ece_after"] == few["ece_before"] > 0.1
    assert str(LEAST_ROWS - 1) in few["held"] and few["bounded"] is False


@pytest.mark.parametrize("scale", [1.0, 500.0])
def test_temperature_a_bound_is_reported_and_not_used(scale: float) -> None:
    """Of rows that are all right it would make every answer sure, of rows that say nothing every answer uniform."""
    logits, labels = draw_rows(1.0, 400)
    wrong = scale * -np.eye(4)[labels]
    for found in (calibrate(scale * np.eye(4)[labels], labels), calibrate(wrong, labels)):
        assert found["temperature"] == 1.0 and found["bounded"] is True and "bound" in found["held"]
        assert found["ece_after"] == found["ece_before"]
    assert calibrate(logits, labels)["bounded"] is False


def test_temperature_of_one_class_is_not_fitted() -> None:
    logits, labels = draw_rows(3.0, 2000)
    found = calibrate(logits[labels == 1], labels[labels == 1])
    assert found["rows"] > LEAST_ROWS and found["temperature"] == 1.0 and "one class" in found["held"]
    without = labels != 1  # a class that is missing is no reason
    assert calibrate(logits[without], labels[without])["held"] is None


@given(st.integers(LEAST_ROWS, 250), st.integers(2, 8), st.floats(0.05, 20.0), st.integers(0, 99))
def test_temperature_never_worsens_val(rows: int, classes: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (rows, classes))
    labels = np.where(rng.uniform(size=rows) < 0.5, logits.argmax(axis=1), rng.integers(0, classes, rows))

    def cross_entropy(temperature: float) -> float:
        return -float(log_softmax(logits / temperature, axis=1)[np.arange(rows), labels].mean())

    found = calibrate(logits, labels)
    assert cross_entropy(found["temperature"]) <= cross_entropy(1.0) + 1e-9
    assert found["ece_after"] <= found["ece_before"] + 0.01
    assert (found["temperature"] == 1.0) == (found["held"] is not None)


@given(st.floats(0.1, 10.0))
def test_the_plain_probabilities_come_back(temperature: float) -> None:
    logits = np.random.default_rng(3).normal(0, 2, (20, 5))
    calibrated = softmax(logits / temperature, axis=1)
    assert np.allclose(uncalibrated(calibrated, temperature), softmax(logits, axis=1), atol=1e-9)
