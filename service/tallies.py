"""What is counted for every request and run, told to prometheus_client a few times a second.

prometheus_client writes each count to a file that the workers share, at 3 to 5 us: the twelve of a request that runs alone
took a sixth of its time (../benchmarks/LOG.md). Added up here, a count costs a tenth of that.
"""

import asyncio
from collections import defaultdict, deque
from typing import Final

from prometheus_client import Counter

from service.metrics import Distribution

SECONDS: Final = 0.02
"""After which other workers, whose `/metrics` shows the sum of all, see what was counted. A worker that is killed takes no more
than that with it."""


class Tallies:
    """`add` may be called in any thread, `soon` on the event loop; one of them for a process, as there are metrics."""

    def __init__(self) -> None:
        self._added: deque[tuple[Counter | Distribution, float]] = deque()  # which threads may share
        self._due = False

    def add(self, metric: Counter | Distribution, amount: float = 1) -> None:
        """Of a counter this much more, or of a distribution one that was so large; told at the next `tell`."""
        self._added.append((metric, amount))

    def soon(self) -> None:
        """`tell` within SECONDS."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(SECONDS, self._tell_now)

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
        self._due = False
        self.tell()


tallies: Final = Tallies()
