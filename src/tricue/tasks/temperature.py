"""Whether probabilities mean what they say, and the one temperature that makes them.

Guo et al. (2017), "On Calibration of Modern Neural Networks", sections 2 and 4.2.
"""

from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from tricue.metrics.confidence import reliability

COLDEST, HOTTEST = (float(np.exp(-4.0)), float(np.exp(4.0)))  # beyond, answers are sure or uniform whatever logits say

# On simulated rows whose true temperature is 1 to 2.5: of 100 rows, 9 of 10 fits are within a factor of 1.7 of the true
# one (2 classes; 1.25 with 7 classes), and the worst costs other rows 0.08 nats of cross-entropy; of 50 rows the worst
# costs 0.34, of 20 rows 10.
LEAST_ROWS = 100
WORSE = 0.01  # a rise of the ECE on the fitted rows themselves that is more than the border of a bin


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """T with the least cross-entropy of softmax(logits / T); it moves confidences, never the answer.

    logits (N, C), labels (N,) class numbers. The cross-entropy is convex in 1 / T: its slope is 0 at one T at most.
    Where that is not between COLDEST and HOTTEST, the nearer of the two is returned: all rows are right, or the logits
    say nothing of the labels.
    """
    above = logits - logits[np.arange(len(labels)), labels][:, None]  # of each class over the true one

    def slope(log_temperature: float) -> float:
        """In 1 / T, times N."""
        return float((softmax(logits / np.exp(log_temperature), axis=1) * above).sum())

    if slope(np.log(COLDEST)) <= 0:
        return COLDEST
    if slope(np.log(HOTTEST)) >= 0:
        return HOTTEST
    return float(np.exp(brentq(slope, np.log(COLDEST), np.log(HOTTEST), xtol=1e-6)))


def calibrate(logits: np.ndarray, labels: np.ndarray, fit: bool = True) -> dict[str, Any]:
    """What a checkpoint keeps: the temperature of these rows (a val part), and their ECE before and after.

    `held` says why the temperature stayed 1, or is None; `bounded`, whether the fit ended at a bound. fit: False keeps
    it 1.
    """
    logits = logits.astype(np.float64)
    fitted = fit_temperature(logits, labels)
    before = expected_calibration_error(softmax(logits, axis=1), labels)
    after = expected_calibration_error(softmax(logits / fitted, axis=1), labels)
    bounded = fitted in (COLDEST, HOTTEST)
    held = _why_held(labels, fitted, before, after) if fit else "task.calibration is none"
    return {
        "temperature": fitted if held is None else 1.0,
        "rows": len(labels),
        "ece_before": before,
        "ece_after": after if held is None else before,
        "bounded": bounded,
        "held": held,
    }


def _why_held(labels: np.ndarray, fitted: float, before: float, after: float) -> str | None:
    """Why a fitted temperature is not to be used; None: it is.

    A class that val lacks is no reason: one temperature serves all classes, and a rare one is often missing.
    """
    if len(labels) < LEAST_ROWS:
        return f"val has {len(labels)} rows, and a temperature is fitted on {LEAST_ROWS} or more"
    if len(np.unique(labels)) < 2:
        return "all val rows are of one class"
    if fitted == COLDEST:
        return f"the fit on val ended at its bound, {COLDEST:.3f}, for all val rows are right"
    if fitted == HOTTEST:
        return f"the fit on val ended at its bound, {HOTTEST:.1f}, for the logits say nothing of the classes"
    if after > before + WORSE:
        return f"the fitted one raises the ECE on val from {before:.3f} to {after:.3f}"
    return None


def uncalibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(z) from softmax(z / temperature), both (N, C)."""
    with np.errstate(divide="ignore"):  # a class may be 0 in the arithmetic of 64 bits, and stays so
        return softmax(temperature * np.log(probabilities), axis=1)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """ECE of the predicted classes; probabilities (N, C), labels (N,)."""
    right = probabilities.argmax(axis=1) == labels
    return float(reliability(probabilities.max(axis=1), right)["ece"])
