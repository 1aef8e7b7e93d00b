"""Confidence intervals of 95 %, by Student's t over repeats: with five repeats a bootstrap is too narrow."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy import stats

LEVEL: Final = 0.95
SIGNIFICANT: Final = 1 - LEVEL


class Interval(NamedTuple):
    """A figure and its bounds. Too few values give infinite bounds."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


class Difference(NamedTuple):
    """The second set of repeats minus the first."""

    change: Interval  # of the means, by Welch
    p: float  # of a permutation test: how often chance alone gives such a difference
    least_p: float  # the lowest p that so many repeats can give


def mean(values: Sequence[float]) -> Interval:
    middle = statistics.fmean(values)
    if len(values) < 2:
        return Interval(middle, -math.inf, math.inf)
    return _around(middle, statistics.stdev(values) / math.sqrt(len(values)), len(values) - 1)


def slope(x: Sequence[float], y: Sequence[float]) -> Interval:
    """The slope of a line fitted by least squares, per unit of x."""
    if len(x) < 3:
        return Interval(0.0, -math.inf, math.inf)
    fitted = stats.linregress(x, y)
    return _around(float(fitted.slope), float(fitted.stderr), len(x) - 2)


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Raises ValueError when a side has fewer than two values."""
    if min(len(first), len(second)) < 2:
        raise ValueError(f"expected two repeats or more on both sides; received {len(first)} and {len(second)}")
    tested = stats.permutation_test((second, first), _apart, vectorized=True, n_resamples=100_000, rng=0)
    shares = [statistics.variance(side) / len(side) for side in (first, second)]
    change, error = statistics.fmean(second) - statistics.fmean(first), math.sqrt(sum(shares))
    freedom = sum(shares) ** 2 / sum(s**2 / (len(v) - 1) for s, v in zip(shares, (first, second), strict=True)) if error else 1
    ways = math.comb(len(first) + len(second), len(first))
    least = (2 if len(first) == len(second) else 1) / ways
    return Difference(_around(change, error, freedom), float(tested.pvalue), least)


def _apart(a: Any, b: Any, axis: int) -> Any:
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)


def _around(middle: float, error: float, freedom: float) -> Interval:
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Interval(middle, middle - half, middle + half)
