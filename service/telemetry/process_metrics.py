"""Metrics of a worker's process, set every second: waiting requests, memory, files, CPU time and the event loop's lag."""

import asyncio
import time
from typing import Final, Protocol

import psutil  # type: ignore[import-untyped]

from service.telemetry import metrics
from service.telemetry.metric_buffer import metric_buffer

SECONDS: Final = 1.0


class Waiting(Protocol):
    """The admission, or a stand-in for it."""

    @property
    def waiting_requests(self) -> int: ...

    @property
    def waiting_bytes(self) -> int: ...


class ProcessMetrics:
    """prometheus_client has no process metrics where several processes share `/metrics`. These are summed over the workers."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._process = psutil.Process()
        self._cpu = 0.0

    def start(self) -> None:
        """Set the metrics on the running event loop until it ends."""
        self._look(asyncio.get_running_loop(), time.monotonic())

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        loop.call_later(SECONDS, self._look, loop, time.monotonic() + SECONDS)  # first: the system may refuse what follows
        metrics.loop_lag_seconds.observe(max(0.0, time.monotonic() - due))
        metric_buffer.flush()  # counts made beside requests, such as those of warming up
        metrics.waiting_requests.set(self._waiting.waiting_requests)
        metrics.waiting_bytes.set(self._waiting.waiting_bytes)
        metrics.resident_bytes.set(self._process.memory_info().rss)
        metrics.open_files.set(self._process.num_fds())
        used = time.process_time()
        metrics.cpu_seconds.inc(used - self._cpu)
        self._cpu = used
