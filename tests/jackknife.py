"""The intervals of `metrics.grouped_intervals` once more, from scipy's functions, as a reference for the tests."""

from collections.abc import Sequence

import numpy as np
from scipy import stats
from scipy.special import expit, logit


def error_and_degrees(without: Sequence[float]) -> tuple[float, float]:
    """Tukey's error of a number given without each of the groups, and Satterthwaite's degrees of freedom."""
    count = len(without)
    error = np.sqrt((count - 1) ** 2 / count * np.var(without, ddof=1))
    variance = (stats.kurtosis(without, fisher=False) - (count - 3) / (count - 1)) / count  # of error^2, by error^4
    return float(error), min(count - 1, 2 / variance)


def t_interval(value: float, without: Sequence[float]) -> tuple[float, float]:
    """Of an unbounded number."""
    error, degrees = error_and_degrees(without)
    return stats.t.interval(0.95, degrees, value, error)


def share_interval(value: float, without: Sequence[float], least: float = 0.0) -> list[float]:
    """Of a number from `least` to 1: t on the logit scale, by the delta method."""
    error, degrees = error_and_degrees(without)
    share = (value - least) / (1 - least)
    scaled = error / (1 - least) / (share * (1 - share))
    return [least + (1 - least) * expit(end) for end in stats.t.interval(0.95, degrees, logit(share), scaled)]
