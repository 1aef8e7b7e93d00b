"""What is counted for every request and run, told to prometheus_client a few times a second.

Where there are workers prometheus_client keeps each number in a file of the worker's, mapped into memory: a lock, a look at the
process id and a packing for each count, of which a request that runs alone has twelve, an eighth of its time
(../benchmarks/LOG.md).
"""

import asyncio
from collections import defaultdict, deque
from typing import Final

from prometheus_client import Counter

from service.telemetry.metrics import Distribution

SECONDS: Final = 0.02
"""After which other workers, whose `/metrics` shows the sum of all, see what was counted for a request, its run or its
shadow's. A worker that is killed takes what it has not told with it."""


class Tallies:
    """`add` may be called in any thread, the others on the event loop alone; there is one for a process, as of metrics."""

    def __init__(self) -> None:
        self._added: deque[tuple[Counter | Distribution, float]] = deque()  # which threads may share
        self._telling: asyncio.AbstractEventLoop | None = None  # on which `tell` is due

    def add(self, metric: Counter | Distribution, amount: float = 1) -> None:
        """Of a counter this much more, or of a distribution one that was so large; told at the next `tell`."""
        self._added.append((metric, amount))

    def soon(self) -> None:
        """`tell` within SECONDS."""
        loop = asyncio.get_running_loop()
        if self._telling is not loop:  # and not one that ended before it was time, as inside a test's process
            self._telling = loop
            loop.call_later(SECONDS, self._tell_now)

    def tell(self) -> None:
        """What was added so far."""
        amounts: defaultdict[Counter | Distribution, list[float]] = defaultdict(list)
        for _ in range(len(self._added)):
            metric, amount = self._added.popleft()
            amounts[metric].append(amount)
        for metric, added in amounts.items():
            if isinstance(metric, Distribution):
                metric.observe_all(added)
            else:
                metric.inc(sum(added))

    def _tell_now(self) -> None:
        self._telling = None
        self.tell()


tallies: Final = Tallies()
