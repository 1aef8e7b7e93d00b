"""Traces and logs of a request: its span, its line in the log, and its ids on all lines that are logged meanwhile.

Of what a user sent, they carry the ids of the request and no other value.
"""

import logging
import random
import time
from contextvars import ContextVar, copy_context
from typing import Final

from service.telemetry.tracing import RequestTrace, Tracing
from service.token_bucket import TokenBucket

logger = logging.getLogger(__name__)
OK: Final = "ok"


CURRENT: Final[ContextVar[tuple[bytes, dict[bytes, bytes], RequestTrace | None] | None]] = ContextVar("request", default=None)
"""The current request: its id, headers and trace. A plain tuple costs a third of a type with named fields."""


def current_ids() -> dict[str, str]:
    """The ids of the current request; empty where there is none."""
    current = CURRENT.get()
    if current is None:
        return {}
    request_id, headers, trace = current
    trace_id = trace.trace_id if trace else _trace_id(headers.get(b"traceparent", b""))
    return {"request_id": request_id.decode("latin-1"), **({"trace_id": trace_id} if trace_id else {})}


def _trace_id(traceparent: bytes) -> str:
    """The client's trace id, for a request that we do not trace; empty if the header is not valid."""
    stated = traceparent[3:35].decode("latin-1")
    return stated if len(stated) == 32 and set(stated) <= set("0123456789abcdef") else ""


class RequestLog:
    """Logs the share `sample` of the answers and all errors; of each kind at most `per_second` lines a second.

    If `tracing` is false, no request has a trace. If `samples` is false, an answer without a trace needs no call of `end`.
    """

    def __init__(self, tracing: Tracing, sample: float, per_second: float) -> None:
        self.tracing, self._begin = tracing.on, tracing.begin
        self._sample = sample
        self.samples = sample > 0
        self._answers, self._errors = TokenBucket(per_second), TokenBucket(per_second)

    def trace(self, headers: dict[bytes, bytes], method: str, route: str, request_id: bytes) -> RequestTrace | None:
        """The trace of the current request, or None. Call it after admission: only an admitted client may ask for a trace."""
        trace = self._begin(headers, method, route)
        if trace is not None:
            CURRENT.set((request_id, headers, trace))
        return trace

    def see(
        self, headers: dict[bytes, bytes], method: str, route: str, request_id: bytes, status: int, outcome: str, begun: float
    ) -> None:
        """`begin` and `end` in one, for a request that was refused before it had a task. `begun`: `time.perf_counter`."""
        allowance = self._allowance(outcome)
        if allowance is None and not self.tracing:  # nearly all refusals of an overload
            return
        seconds = time.perf_counter() - begun

        def end() -> None:
            CURRENT.set((request_id, headers, None))
            trace = self.trace(headers, method, route, request_id) if self.tracing else None
            self._end(trace, allowance, method, route, status, outcome, seconds)

        copy_context().run(end)

    def end(self, trace: RequestTrace | None, method: str, route: str, status: int, outcome: str, seconds: float) -> None:
        """Log a request that has been answered or refused, and end its trace."""
        self._end(trace, self._allowance(outcome), method, route, status, outcome, seconds)

    def _allowance(self, outcome: str) -> TokenBucket | None:
        """The token bucket that allows a line for this request; None: it gets no line."""
        allowance = self._answers if outcome == OK else self._errors
        wanted = outcome != OK or random.random() < self._sample  # noqa: S311 - nobody gains by guessing
        return allowance if wanted and allowance.take() else None

    def _end(
        self,
        trace: RequestTrace | None,
        allowance: TokenBucket | None,
        method: str,
        route: str,
        status: int,
        outcome: str,
        seconds: float,
    ) -> None:
        if trace is not None:
            trace.end(status, outcome)
        if allowance is None:
            return
        facts = {"method": method, "route": route, "status": status, "outcome": outcome, "ms": round(seconds * 1e3, 3)}
        if allowance.left_out:
            facts["left_out"] = allowance.left_out  # lines of this kind since the last one
            allowance.left_out = 0
        level = logging.WARNING if status >= 500 else logging.INFO
        logger.log(level, "%s %s %d %s %.1f ms", method, route, status, outcome, seconds * 1e3, extra=facts)
