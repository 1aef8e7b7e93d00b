"""How soon Python's lock goes from the event loop to a thread that runs a model.

A thread that waits for the lock asks for it only after a whole switch interval in which nobody woke it. uvloop lets go of the
lock and takes it again at every socket: the thread is woken, too late, and its interval begins anew. So with the interval of
the event loop a model waited 1 to 3 ms for the lock before each run, and as long after it. While models run the interval is
as short as pays; else it is not, for what loads beside the requests would take the lock from them as often.
"""

import sys
from typing import Final

LOOP_SECONDS: Final = 5e-4
"""At Python's own 5 ms whatever loads beside the requests holds each of them up for as long."""
RUN_SECONDS: Final = 2e-5


class SwitchInterval:
    """Of the batchers' runs that are on threads; for those that only compare nobody waits. The event loop's thread tells it."""

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
