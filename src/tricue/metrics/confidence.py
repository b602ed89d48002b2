"""What a model's confidences are worth: whether they come true, and the score of the rows it is surest of."""

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

BINS = 10  # of confidence, of equal width
STEPS = 20  # shares of the rows: 5%, 10%, ..., 100%
_FEWEST = 10  # rows that a score is given of


def score_by_coverage(probabilities: np.ndarray, labels: np.ndarray, classes: int) -> list[dict[str, Any]]:
    """probabilities (N, C), labels (N,) -> per share of the rows, the surest first: the confidence down to which they
    are answered, how many they are, their accuracy and weighted F1.

    Rows of the same confidence are answered together: the share is then the next larger one. The curve of Geifman and
    El-Yaniv (2017), "Selective Classification for Deep Neural Networks".
    """
    confidence, guesses = probabilities.max(axis=1), probabilities.argmax(axis=1)
    falling = np.sort(confidence)[::-1]
    steps: list[dict[str, Any]] = []
    for step in range(STEPS, 0, -1):
        least = float(falling[-(-step * len(labels) // STEPS) - 1])
        kept = confidence >= least
        if kept.sum() < min(_FEWEST, len(labels)) or (steps and steps[-1]["rows"] == int(kept.sum())):
            continue
        scores = f1_score(labels[kept], guesses[kept], labels=range(classes), average="weighted", zero_division=0)
        steps.append({
            "confidence": least, "coverage": float(kept.mean()), "rows": int(kept.sum()),
            "accuracy": float(accuracy_score(labels[kept], guesses[kept])), "weighted_f1": float(scores),
        })  # fmt: skip
    return steps


def reliability(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """confidence (N,) in [0, 1] of the predicted class, right (N,) bool -> ECE and, per bin that holds rows, their
    count, mean confidence and accuracy.

    ECE = sum over bins of (rows in it / N) |accuracy - mean confidence|, Guo et al. (2017), eq. 3; bins are
    (low, high], the first holds 0.
    """
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    found: list[dict[str, Any]] = []
    for b in range(BINS):
        own = place == b
        if own.any():
            found.append({
                "low": float(edges[b]), "high": float(edges[b + 1]), "rows": int(own.sum()),
                "confidence": float(confidence[own].mean()), "accuracy": float(right[own].mean()),
            })  # fmt: skip
    gaps = [b["rows"] * abs(b["accuracy"] - b["confidence"]) for b in found]
    return {"ece": float(sum(gaps) / len(confidence)), "bins": found}
