"""One-vs-rest logistic regression on features pooled over time: the rival of the multilabel task."""

import numpy as np
from sklearn.linear_model import LogisticRegression


def fit_each(train: np.ndarray, targets: np.ndarray, others: np.ndarray, c: float) -> np.ndarray:
    """(N, C) probabilities for `others` (N, D) of a regression per class; train (M, D), targets (M, C)."""
    models = [LogisticRegression(C=c, max_iter=300).fit(train, own) for own in targets.T]
    return np.stack([model.predict_proba(others)[:, 1] for model in models], axis=1)
