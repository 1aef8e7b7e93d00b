"""Lets the requests go first while something is done beside them, in a thread, that takes Python's lock from them."""

import time
from collections.abc import Callable
from typing import Final

SHARE: Final = 0.25
"""Of the time, that work beside the requests takes."""
STEP: Final = 5e-4
"""Seconds of work, at least, between two rests: what comes after a rest finds the caches cold."""


class Pace:
    """Called between the steps of such work: rests so long that it takes `SHARE` of the time since `begin`.

    Loading a version takes some 10 ms of a processor. At once, in competition for the lock, it held every request of those
    20 ms up; in steps, each waits for one step at most.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._since: float | None = None  # when the step began, of the thread's own time; None: there is no need to rest

    def begin(self) -> None:
        self._since = self._clock()

    def __call__(self) -> None:
        if self._since is None:
            return
        worked = self._clock() - self._since
        if worked >= STEP:
            self._sleep(worked * (1 / SHARE - 1))
            self._since += worked
