"""What is seen of a request besides its metrics: its trace, its line in the log, and its ids on whatever is logged meanwhile.

Nothing that a user sent is in any of them, but for the ids that it gave the request.
"""

import logging
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, NamedTuple

from service.tracing import RequestTrace, Tracing

logger = logging.getLogger(__name__)
OK: Final = "ok"


class Current(NamedTuple):
    """The request that is being answered."""

    request_id: bytes
    headers: dict[bytes, bytes]
    trace: RequestTrace | None

    @property
    def ids(self) -> dict[str, str]:
        trace_id = self.trace.trace_id if self.trace else _trace_id(self.headers.get(b"traceparent", b""))
        return {"request_id": self.request_id.decode("latin-1"), **({"trace_id": trace_id} if trace_id else {})}


CURRENT: Final[ContextVar[Current | None]] = ContextVar("request", default=None)


def _trace_id(traceparent: bytes) -> str:
    """The caller's, of a trace that we have no part in; empty where that is none."""
    stated = traceparent[3:35].decode("latin-1")
    return stated if len(stated) == 32 and set(stated) <= set("0123456789abcdef") else ""


class Allowance:
    """`per_second` things may happen, and as many at once; `left_out` counts the others."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = per_second, clock
        self._left, self._since = per_second, clock()
        self.left_out = 0

    def take(self) -> bool:
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._since) * self._most)
        self._since = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True


class Observer:
    """`sample` of the answers have a line in the log, and all errors; of each no more than `per_second`."""

    def __init__(self, tracing: Tracing, sample: float, per_second: float) -> None:
        self._tracing, self._sample = tracing, sample
        self._answers, self._errors = Allowance(per_second), Allowance(per_second)

    def begin(self, headers: dict[bytes, bytes], method: str, route: str, request_id: bytes) -> RequestTrace | None:
        """Of a request whose headers have come; for this task it is the current one from here on."""
        trace = self._tracing.begin(headers, method, route)
        CURRENT.set(Current(request_id, headers, trace))
        return trace

    def end(self, trace: RequestTrace | None, method: str, route: str, status: int, outcome: str, seconds: float) -> None:
        """Of a request that has been answered, or refused."""
        if trace is not None:
            trace.end(status, outcome)
        if outcome != OK:
            self._log(self._errors, method, route, status, outcome, seconds)
        elif self._sample and random.random() < self._sample:  # noqa: S311 - nobody gains by guessing
            self._log(self._answers, method, route, status, outcome, seconds)

    def _log(self, allowance: Allowance, method: str, route: str, status: int, outcome: str, seconds: float) -> None:
        if not allowance.take():
            return
        facts = {"method": method, "route": route, "status": status, "outcome": outcome, "ms": round(seconds * 1e3, 3)}
        if allowance.left_out:
            facts["left_out"] = allowance.left_out  # since the last line of the kind
            allowance.left_out = 0
        level = logging.WARNING if status >= 500 else logging.INFO
        logger.log(level, "%s %s %d %s %.1f ms", method, route, status, outcome, seconds * 1e3, extra=facts)
