"""Whether probabilities mean what they say, and the one temperature that makes them.

Guo et al. (2017), "On Calibration of Modern Neural Networks", sections 2 and 4.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BINS = 10  # of equal width
_WIDEST = 4.0  # |log temperature|: beyond, answers are sure or uniform whatever the logits say


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """T > 0 with the least cross-entropy of softmax(logits / T); it moves confidences, never the answer.

    logits (N, C), labels (N,) class numbers. The cross-entropy is convex in 1 / T: there is one least value.
    """

    def cross_entropy(log_temperature: float) -> float:
        rows = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(rows[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(
        cross_entropy, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def calibrate(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What a checkpoint keeps: the temperature of these rows (a val part), and their ECE before and after."""
    logits = logits.astype(np.float64)
    temperature = fit_temperature(logits, labels)
    return {
        "temperature": temperature,
        "rows": len(labels),
        "ece_before": expected_calibration_error(softmax(logits, axis=1), labels),
        "ece_after": expected_calibration_error(softmax(logits / temperature, axis=1), labels),
    }


def uncalibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(z) from softmax(z / temperature), both (N, C)."""
    with np.errstate(divide="ignore"):  # a class may be 0 in the arithmetic of 64 bits, and stays so
        return softmax(temperature * np.log(probabilities), axis=1)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """ECE of the predicted classes; probabilities (N, C), labels (N,)."""
    right = probabilities.argmax(axis=1) == labels
    return float(reliability(probabilities.max(axis=1), right)["ece"])


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """confidence (N,) in [0, 1] of the predicted class, right (N,) bool -> ECE and, per bin that holds rows, their
    count, mean confidence and accuracy.

    ECE = sum over bins of (rows in it / N) |accuracy - mean confidence|, eq. 3 there; bins are (low, high], the
    first holds 0.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found: list[dict[str, Any]] = []
    for b in range(bins):
        own = place == b
        if own.any():
            found.append({
                "low": float(edges[b]), "high": float(edges[b + 1]), "rows": int(own.sum()),
                "confidence": float(confidence[own].mean()), "accuracy": float(right[own].mean()),
            })  # fmt: skip
    gaps = [b["rows"] * abs(b["accuracy"] - b["confidence"]) for b in found]
    return {"ece": float(sum(gaps) / len(confidence)), "bins": found}
