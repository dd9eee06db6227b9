"""How far a figure from a sample may be off: 95 % intervals, wherever one is shown."""

import math

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
"""Samples that a bootstrap draws; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13."""

_Z = 1.959964


def wilson_interval(events: int, trials: int) -> tuple[float, float]:
    """Score interval of a proportion; Wilson, JASA 22:209-212, 1927.

    Args:
        events: how often it was seen.
        trials: of how many; at least one.
    """
    share = events / trials
    centre = share + _Z * _Z / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z * _Z / (4 * trials * trials))
    scale = 1 + _Z * _Z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def percentile_interval(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentile interval of a bootstrap.

    Args:
        resampled: a figure in each of the samples, along the first axis.

    Returns:
        The lower and the upper end, along a new first axis.
    """
    ends: NDArray[np.float64] = np.quantile(resampled, (0.025, 0.975), axis=0)
    return ends
