"""Median time of a call. Imports only the standard library, since peers' environments use it too."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final

ROUNDS: Final = 5
SECONDS: Final = 0.05
"""Least time of one runtime in one round; it makes at least three calls."""


def median(call: Callable[[], object]) -> float:
    """Median seconds of the calls of one round."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def interleaved(timers: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Median milliseconds over rounds, by name. A timer gives the median seconds of one round."""
    rounds: dict[str, list[float]] = {name: [] for name in timers}
    for _round in range(ROUNDS):
        for name, timer in timers.items():
            rounds[name].append(timer())
    return {name: statistics.median(times) * 1e3 for name, times in rounds.items()}
