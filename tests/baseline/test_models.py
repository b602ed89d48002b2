"""The arrays answer as the models of scikit-learn that they were taken from."""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tricue.baseline.models import DECAY, MOST_EPOCHS, NEVER, constant, linear, outputs_of, perceptron

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.standard_normal((60, 5)).astype(np.float32)
OTHERS = RANDOM.standard_normal((20, 5)).astype(np.float32)
THREE = np.argmax(VECTORS[:, :3] + RANDOM.standard_normal((60, 3)), axis=1)
LABELS = (VECTORS[:, :3] + RANDOM.standard_normal((60, 3)) > 0.3).astype(np.int64)
NUMBERS = (VECTORS[:, :2] @ [[1.0, 2.0], [0.5, -1.0]] + 3).astype(np.float32)


def mlp(of: Any, targets: np.ndarray, weights: np.ndarray | None = None) -> Any:
    model = of(
        hidden_layer_sizes=(64,), alpha=DECAY, max_iter=MOST_EPOCHS, n_iter_no_change=MOST_EPOCHS + 1, batch_size=60,
        random_state=3,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(VECTORS, targets, weights)


@pytest.mark.parametrize("weights", [None, np.array([0.2, 1.0, 1.5, 1.3], np.float32)])
@pytest.mark.parametrize("classes", [2, 3])
def test_classes(classes: int, weights: np.ndarray | None) -> None:
    targets = np.minimum(THREE, classes - 1)
    there = np.array([0, 2, 3])[:classes]  # class 1 of four has no training row
    of_rows = None if weights is None else weights[there[targets]]
    fitted = linear(VECTORS, there[targets], "classes", 4, 10.0, weights)
    expected = LogisticRegression(C=0.1, tol=1e-3, max_iter=200).fit(VECTORS, targets, of_rows).predict_proba(OTHERS)
    found = softmax(outputs_of(fitted, OTHERS), axis=1)
    np.testing.assert_allclose(found[:, there], expected, atol=1e-5)
    assert not np.delete(found, there, axis=1).any()
    small = perceptron(VECTORS, there[targets], "classes", 4, 3, weights)
    found = softmax(outputs_of(small, OTHERS), axis=1)
    np.testing.assert_allclose(found[:, there], mlp(MLPClassifier, targets, of_rows).predict_proba(OTHERS), atol=1e-5)


def test_one_class_alone_in_a_fold_is_always_answered() -> None:
    found = outputs_of(linear(VECTORS, np.full(60, 2), "classes", 3, penalty=1.0), OTHERS)
    np.testing.assert_array_equal(found, np.tile([NEVER, NEVER, 0.0], (20, 1)))


def test_labels() -> None:
    expected = OneVsRestClassifier(LogisticRegression(C=0.1, tol=1e-3, max_iter=200)).fit(VECTORS, LABELS)
    found = expit(outputs_of(linear(VECTORS, LABELS, "labels", 3, penalty=10.0), OTHERS))
    np.testing.assert_allclose(found, expected.predict_proba(OTHERS), atol=1e-5)
    small = expit(outputs_of(perceptron(VECTORS, LABELS, "labels", 3, seed=3), OTHERS))
    np.testing.assert_allclose(small, mlp(MLPClassifier, LABELS).predict_proba(OTHERS), atol=1e-5)


def test_a_label_that_all_rows_have_or_none_is_a_constant() -> None:
    targets = np.stack([np.ones(60), np.zeros(60), LABELS[:, 0]], axis=1).astype(np.int64)
    found = expit(outputs_of(linear(VECTORS, targets, "labels", 3, penalty=1.0), OTHERS))
    assert (found[:, 0] > 0.999).all() and (found[:, 1] < 0.001).all() and np.ptp(found[:, 2]) > 0.1


@pytest.mark.parametrize("count", [1, 2])
def test_values(count: int) -> None:
    targets = NUMBERS[:, :count]
    expected = Ridge(alpha=10.0).fit(VECTORS, targets).predict(OTHERS).reshape(20, count)
    found = outputs_of(linear(VECTORS, targets, "values", count, penalty=10.0), OTHERS)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    expected = mlp(MLPRegressor, targets[:, 0] if count == 1 else targets).predict(OTHERS).reshape(20, count)
    found = outputs_of(perceptron(VECTORS, targets, "values", count, seed=3), OTHERS)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_constants_by_hand() -> None:
    shares = softmax(outputs_of(constant(np.array([0, 2, 2, 2]), "classes", 3), OTHERS), axis=1)
    np.testing.assert_allclose(shares, np.tile([0.25, 0, 0.75], (20, 1)), atol=1e-6)
    sets = np.array([[1, 0, 1], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(outputs_of(constant(sets, "labels", 3), OTHERS)[0] > 0, [True, False, True])
    means = outputs_of(constant(np.array([[1.0, 2.0], [3.0, 6.0]]), "values", 2), OTHERS)
    np.testing.assert_allclose(means, np.tile([2.0, 4.0], (20, 1)))
