"""Lets the requests go first while something is done beside them, in a thread, that takes Python's lock from them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SHARE: Final = 0.25
"""Of the time, that work beside the requests takes."""
STEP: Final = 5e-4
"""Seconds of work, at least, between two rests: what comes after a rest finds the caches cold."""
REST: Final = 0.02
"""Seconds of a rest, at most. What took longer in one step, such as compiling, is over: resting longer makes up for nothing."""


class Pace:
    """Called between the steps of such work: rests so long that it takes `SHARE` of the time. By one thread at a time.

    Loading a version takes some 10 ms of a processor. At once, in competition for the lock, it held every request of those
    20 ms up; in steps, each waits for a step or two.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._since: float | None = None  # when the step began, of the thread's own time; None: there is no need to rest

    @contextmanager
    def beside_requests(self) -> Iterator[None]:
        """In here it rests, and nowhere else."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._since = None

    def __call__(self) -> None:
        if self._since is None:
            return
        worked = self._clock() - self._since
        if worked >= STEP:
            self._sleep(min(worked * (1 / SHARE - 1), REST))
            self._since += worked
