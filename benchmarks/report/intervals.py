"""Confidence intervals of 95 %, by scipy and statsmodels. Repeats have Student's t: five are too few for a bootstrap."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.tools import add_constant

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


class Line(NamedTuple):
    """A line fitted to a time series, with an interval at each x."""

    slope: Interval  # per unit of x
    heights: list[Interval]


def mean(values: Sequence[float]) -> Interval:
    middle = float(np.mean(values))
    if len(values) < 2:
        return Interval(middle, -math.inf, math.inf)
    error = float(stats.sem(values))
    if error == 0:
        return Interval(middle, middle, middle)
    low, high = stats.t.interval(LEVEL, len(values) - 1, loc=middle, scale=error)
    return Interval(middle, float(low), float(high))


def geometric_mean(values: Sequence[float]) -> Interval:
    """The interval of values above zero that are compared as ratios, or drawn on a logarithmic scale."""
    return Interval(*(float(np.exp(bound)) for bound in mean([math.log(value) for value in values])))


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares; the errors allow for autocorrelation (HAC), since memory at one time is close to memory just before.

    Newey and West's estimate over the square root of the number of values. Expects at least three values.
    """
    lags = {"maxlags": math.isqrt(len(x)), "use_correction": True}
    fitted = OLS(np.asarray(y), add_constant(np.asarray(x))).fit(cov_type="HAC", cov_kwds=lags, use_t=True)
    slope = Interval(float(fitted.params[1]), *map(float, fitted.conf_int(SIGNIFICANT)[1]))
    bounds = fitted.get_prediction().conf_int(alpha=SIGNIFICANT)
    heights = [
        Interval(float(at), float(low), float(high)) for at, (low, high) in zip(fitted.fittedvalues, bounds, strict=True)
    ]
    return Line(slope, heights)


def slope(x: Sequence[float], y: Sequence[float]) -> Interval:
    """The slope of `line`, also of fewer values."""
    return line(x, y).slope if len(x) >= 3 else Interval(0.0, -math.inf, math.inf)


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Expects two repeats or more on both sides."""
    low, high = stats.ttest_ind(second, first, equal_var=False).confidence_interval(LEVEL)
    tested = stats.permutation_test((second, first), _apart, vectorized=True, n_resamples=100_000, rng=0)
    return Difference(Interval(float(_apart(second, first)), float(low), float(high)), float(tested.pvalue))


def least_p(first: int, second: int) -> float:
    """The lowest p of `difference` with so many repeats: of all ways to deal them out, one is as extreme on each side."""
    return 2 / math.comb(first + second, first)


def least_repeats() -> int:
    """The fewest repeats of each side whose `least_p` is significant."""
    return next(number for number in itertools.count(2) if least_p(number, number) <= SIGNIFICANT)


def _apart(a: Any, b: Any, axis: int = -1) -> Any:
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)
