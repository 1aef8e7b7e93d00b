"""The switch interval: how soon Python's lock goes from the event loop to a thread that runs a model.

A thread asks for the lock after it has waited undisturbed for one switch interval. uvloop releases the lock at every socket and
takes it back: that wakes the thread too late, and its interval starts again. With the event loop's interval a model waited 1 to
3 ms for the lock before each run, and again after it. So the interval is short while models run. At other times it is longer:
a thread that loads a version would take the lock from the requests as often.
"""

import sys
from typing import Final

LOOP_SECONDS: Final = 5e-4
"""With Python's default of 5 ms, a version that loads beside the requests delays each of them by so much."""
RUN_SECONDS: Final = 2e-5


class SwitchInterval:
    """Counts the batchers' runs in threads; comparisons do not count, since no request waits for them. On the event loop."""

    def __init__(self) -> None:
        self._runs = 0

    def run_begins(self) -> None:
        self._runs += 1
        if self._runs == 1:
            sys.setswitchinterval(RUN_SECONDS)

    def run_ended(self) -> None:
        self._runs -= 1
        if not self._runs:
            sys.setswitchinterval(LOOP_SECONDS)
