"""The three baselines: a constant, a linear model and a small multilayer perceptron (MLP), fitted by scikit-learn and
kept as arrays.

Outputs are those of a network of the same task: logits of classes or labels, or values in the task's own scale.

Legend: N rows, F numbers of a pooled vector, O outputs. weights: (O,) of the classes, by which the network's loss
counts its rows too; None: all rows count alike.
"""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

Kind = Literal["classes", "labels", "values"]
Layer = tuple[np.ndarray, np.ndarray]  # weights (in, out), bias (out,)
Layers = tuple[Layer, ...]  # with rectifiers between them
Fit = Callable[[np.ndarray, np.ndarray], Layers]  # of (N, F) vectors and (N,) or (N, O) targets

PENALTIES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)  # of |w|^2 / 2 beside the summed loss: 1 / C, alpha of ridge
UNITS, UPDATES, MOST_EPOCHS, BATCH = 64, 1_000, 300, 200  # of the perceptron
DECAY = 10.0  # its alpha: of 0.1, 1, 10 and 30 the best on left-out speakers of RAVDESS
NEVER, SURE = -1e4, 10.0  # logits of a class without a training row; of a label that all rows agree on


def outputs_of(layers: Layers, vectors: np.ndarray) -> np.ndarray:
    """(N, F) -> (N, O). A first layer of fewer inputs reads the first ones: that of a constant reads none."""
    values = vectors[:, : len(layers[0][0])]
    for number, (weights, bias) in enumerate(layers):
        values = (np.maximum(values, 0) if number else values) @ weights + bias
    return values


def constant(targets: np.ndarray, kind: Kind, outputs: int) -> Layers:
    """The class shares (most frequent class), the most frequent set of labels, the mean."""
    if kind == "classes":
        shares = np.bincount(targets, minlength=outputs) / len(targets)
        bias = np.where(shares > 0, np.log(np.maximum(shares, 1e-300)), NEVER)
    elif kind == "labels":
        sets, counts = np.unique(targets, axis=0, return_counts=True)
        bias = np.where(sets[counts.argmax()] > 0, SURE, -SURE)
    else:
        bias = targets.mean(axis=0)
    return ((np.zeros((0, outputs), np.float32), bias.astype(np.float32)),)


def linear(
    vectors: np.ndarray, targets: np.ndarray, kind: Kind, outputs: int, penalty: float,
    weights: np.ndarray | None = None,
) -> Layers:  # fmt: skip
    """Logistic regression (of labels one per label), or ridge regression."""
    if kind == "values":
        found = Ridge(alpha=penalty).fit(vectors, targets)
        return _layer(np.atleast_2d(found.coef_).T, np.atleast_1d(found.intercept_))
    if kind == "labels":
        columns = [_one_label(vectors, own, penalty) for own in targets.T]
        return _layer(np.stack([w for w, _ in columns], axis=1), np.array([b for _, b in columns]))
    there = np.unique(targets)
    if len(there) < 2:  # in a fold
        return (_of_all(np.zeros((vectors.shape[1], 1)), np.zeros(1), there, outputs),)
    found = _logistic(penalty).fit(vectors, targets, _of_rows(targets, weights))
    return (_of_all(*_of_both(found.coef_.T, found.intercept_), there, outputs),)


def perceptron(
    vectors: np.ndarray, targets: np.ndarray, kind: Kind, outputs: int, seed: int, weights: np.ndarray | None = None,
    units: int = UNITS,
) -> Layers:  # fmt: skip
    """One hidden layer; about 1,000 updates, at most 300 epochs."""
    batches = -(-len(vectors) // BATCH)
    epochs = min(MOST_EPOCHS, -(-UPDATES // batches))
    chosen = {"hidden_layer_sizes": (units,), "alpha": DECAY, "max_iter": epochs, "n_iter_no_change": epochs + 1,
              "batch_size": min(BATCH, len(vectors)), "random_state": seed}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
        if kind == "values":
            found = MLPRegressor(**chosen).fit(vectors, targets[:, 0] if targets.shape[1] == 1 else targets)
        elif kind == "labels":
            found = MLPClassifier(**chosen).fit(vectors, targets[:, 0] if targets.shape[1] == 1 else targets)
        else:
            found = MLPClassifier(**chosen).fit(vectors, targets, _of_rows(targets, weights))
    last = found.coefs_[1], found.intercepts_[1]
    if kind == "classes":
        last = _of_all(*_of_both(*last), found.classes_, outputs)
    return (*_layer(found.coefs_[0], found.intercepts_[0]), *_layer(*last))


def _of_rows(targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
    return None if weights is None else weights[targets]


def _logistic(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=1 / penalty, tol=1e-3, max_iter=200)


def _one_label(vectors: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """A label that all rows have, or none, is a constant."""
    if len(np.unique(targets)) < 2:
        return np.zeros(vectors.shape[1]), SURE if targets[0] else -SURE
    found = _logistic(penalty).fit(vectors, targets)
    return found.coef_[0], float(found.intercept_[0])


def _of_both(weights: np.ndarray, bias: np.ndarray) -> Layer:
    """Of two classes scikit-learn keeps the logit of the second alone: the first has 0."""
    if weights.shape[1] > 1:
        return weights, bias
    return np.concatenate([np.zeros_like(weights), weights], axis=1), np.concatenate([np.zeros_like(bias), bias])


def _of_all(weights: np.ndarray, bias: np.ndarray, there: np.ndarray, outputs: int) -> Layer:
    """The outputs of classes that training has, put among all."""
    wide, shift = np.zeros((len(weights), outputs)), np.full(outputs, NEVER)
    wide[:, there], shift[there] = weights, bias
    return _layer(wide, shift)[0]


def _layer(weights: np.ndarray, bias: np.ndarray) -> Layers:
    return ((weights.astype(np.float32), bias.astype(np.float32)),)
