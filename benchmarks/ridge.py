"""Ridge regression on features pooled over time: the rival of the dimensional task."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from common import Measured, pooled
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tricue.config.settings import Config
from tricue.training.workspace import Workspace

ALPHAS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
FOLDS = KFold(5, shuffle=True, random_state=0)


@dataclass(frozen=True)
class Regression:
    """Answers (N, K) to the test rows, as they come and with the mean and deviation of the training targets."""

    alpha: float
    answers: np.ndarray
    mapped: np.ndarray  # by the affine map that gives the out-of-fold answers the moments of the training targets


def fit_ridge(train: np.ndarray, targets: np.ndarray, test: np.ndarray) -> Regression:
    """Standardised vectors, one alpha for all targets: the one with the highest mean Pearson correlation out of fold.

    train: (M, D). targets: (M, K). test: (N, D).
    """
    models = {alpha: make_pipeline(StandardScaler(), Ridge(alpha)) for alpha in ALPHAS}
    guesses = {
        alpha: cross_val_predict(model, train, targets, cv=FOLDS).reshape(targets.shape)  # of one target it is (M,)
        for alpha, model in models.items()
    }
    alpha = max(ALPHAS, key=lambda own: np.mean(pearson(targets, guesses[own])))
    answers = models[alpha].fit(train, targets).predict(test).reshape(len(test), -1)
    spread = targets.std(axis=0) / guesses[alpha].std(axis=0)
    return Regression(alpha, answers, (answers - guesses[alpha].mean(axis=0)) * spread + targets.mean(axis=0))


def ridge_scores(config: Config, workspace: Workspace, measured: Measured, deviation: bool = False) -> dict[str, Any]:
    """Those of ridge regression on pooled modalities, fitted on all of train, and the network's numbers minus them."""
    rows = [row for row in workspace.read_corpus(config).utterances if row.split == "train"]
    train, test = (pooled(own, config, config.modalities, workspace.store, deviation) for own in (rows, measured.rows))
    ridge = fit_ridge(train, np.array([row.label for row in rows]), test)
    return {
        "ridge": {"alpha": ridge.alpha, "fitted on": "all of train", **measured.score_rival(ridge.answers)},
        "ridge_mapped": measured.score_rival(ridge.mapped),
        "network_minus_ridge": measured.difference(ridge.answers),
        "network_minus_ridge_mapped": measured.difference(ridge.mapped),
    }


def pearson(targets: np.ndarray, values: np.ndarray) -> list[float]:
    """Of each target, (N, K) both."""
    return [float(np.corrcoef(own, value)[0, 1]) for own, value in zip(targets.T, values.T, strict=True)]
