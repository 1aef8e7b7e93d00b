"""Sends refusals late: holds each back for a moment, counts them together, and limits how many are sent a second.

Admitted requests wait while a refusal is written, so refusals must cost little.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter as Metric

from service.telemetry import metrics
from service.token_bucket import TokenBucket

logger = logging.getLogger(__name__)
HOLD_SECONDS: Final = 0.002
"""Clients that retry at once would otherwise keep the event loop busy with refusals: 16 of them took 85 % of the goodput."""
PER_SECOND: Final = 10_000
"""So many refusals take a quarter of the event loop; further refusals wait. Without the limit 256 clients that retried at once
left a tenth of the goodput, and a thousand a fiftieth; with it two thirds."""
MOST_HOLD_SECONDS: Final = 0.25
"""A refusal held longer would let clients that open a connection for each request take all connections."""


class Refusals:
    def __init__(self) -> None:
        self._held: deque[tuple[float, Callable[[], None]]] = deque()  # latest release, on the event loop's clock
        self._turns = TokenBucket(PER_SECOND)
        self._uncounted: list[tuple[Metric, Metric]] = []  # counted together: each count costs 2 us
        self._reasons = {reason: metrics.shed.labels(reason) for reason in ("time", "bytes")}

    def count(self, requests: Metric, reason: str) -> None:
        """Count one refusal, at the next release."""
        self._uncounted.append((requests, self._reasons[reason]))

    def hold(self, release: Callable[[], None]) -> None:
        """Call `release` in its turn, after HOLD_SECONDS at least. One timer serves all held refusals."""
        loop = asyncio.get_running_loop()
        if not self._held:
            loop.call_later(HOLD_SECONDS, self._release)
        self._held.append((loop.time() + MOST_HOLD_SECONDS, release))

    async def held(self) -> None:
        """Wait as long as a refusal that is held from now on."""
        released = asyncio.Event()
        self.hold(released.set)
        await released.wait()

    def _release(self) -> None:
        uncounted, self._uncounted = self._uncounted, []
        try:
            for counted, number in Counter(uncounted).items():
                for metric in counted:
                    metric.inc(number)
        except Exception:  # the refusals must be sent all the same
            logger.exception("refusals could not be counted")
        loop, held = asyncio.get_running_loop(), self._held
        now = loop.time()
        while held and (self._turns.take() or held[0][0] <= now):
            _, release = held.popleft()
            try:
                release()
            except Exception:  # the others must not be held for ever
                logger.exception("a refusal could not be sent")
        if held:
            loop.call_later(HOLD_SECONDS, self._release)
