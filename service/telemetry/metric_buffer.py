"""Counts of requests and runs, kept in a list and handed to prometheus_client a few times a second.

With several workers prometheus_client keeps each number in a mapped file. Each count there takes a lock, a look at the process
id and a packing. A request that runs alone has twelve counts: an eighth of its time (../benchmarks/LOG.md).
"""

import asyncio
from collections import defaultdict, deque
from typing import Final

from prometheus_client import Counter

from service.telemetry.metrics import Distribution

FLUSH_SECONDS: Final = 0.02
"""Other workers, whose `/metrics` shows the sum of all, see a count after so many seconds. A killed worker loses the counts
that it has not flushed."""


class MetricBuffer:
    """`add` may be called in any thread, the other methods only on the event loop. A process has one, as it has one set of
    metrics."""

    def __init__(self) -> None:
        self._added: deque[tuple[Counter | Distribution, float]] = deque()  # shared by threads
        self._flushing: asyncio.AbstractEventLoop | None = None  # the event loop on which a flush is due

    def add(self, metric: Counter | Distribution, amount: float = 1) -> None:
        """Increase a counter by `amount`, or observe `amount` in a distribution, at the next `flush`."""
        self._added.append((metric, amount))

    def flush_soon(self) -> None:
        """`flush` within FLUSH_SECONDS."""
        loop = asyncio.get_running_loop()
        if self._flushing is not loop:  # a flush due on a loop that has ended, as in tests, never comes
            self._flushing = loop
            loop.call_later(FLUSH_SECONDS, self._flush_now)

    def flush(self) -> None:
        """Hand over all counts so far."""
        amounts: defaultdict[Counter | Distribution, list[float]] = defaultdict(list)
        for _ in range(len(self._added)):
            metric, amount = self._added.popleft()
            amounts[metric].append(amount)
        for metric, added in amounts.items():
            if isinstance(metric, Distribution):
                metric.observe_all(added)
            else:
                metric.inc(sum(added))

    def _flush_now(self) -> None:
        self._flushing = None
        self.flush()


metric_buffer: Final = MetricBuffer()
