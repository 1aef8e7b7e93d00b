"""Schedules of requests, in seconds from the beginning: evenly spaced, or random as from many independent clients."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

Schedule = Callable[[float, float, int], Iterator[float]]
"""A function of requests a second, seconds, and a seed."""


def constant(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:  # noqa: ARG001 - every schedule has one
    return (number / rate for number in range(round(rate * seconds)))


def poisson(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """Exactly `rate * seconds` arrivals, so that two runs offer the same. Given their number, the arrivals of a Poisson
    process are uniform and independent."""
    number = round(rate * seconds)
    return iter(np.sort(np.random.default_rng(seed).uniform(0, seconds, number)).tolist())


SCHEDULES: Final[dict[str, Schedule]] = {"poisson": poisson, "constant": constant}
