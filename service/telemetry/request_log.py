"""What is seen of a request besides its metrics: its trace, its line in the log, and its ids on whatever is logged meanwhile.

Nothing that a user sent is in any of them, but for the ids that it gave the request.
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
"""The request that is being answered: its id, headers and trace. A bare tuple, which costs a third of anything with names."""


def current_ids() -> dict[str, str]:
    """Of the request that is being answered, if any."""
    current = CURRENT.get()
    if current is None:
        return {}
    request_id, headers, trace = current
    trace_id = trace.trace_id if trace else _trace_id(headers.get(b"traceparent", b""))
    return {"request_id": request_id.decode("latin-1"), **({"trace_id": trace_id} if trace_id else {})}


def _trace_id(traceparent: bytes) -> str:
    """The caller's, of a trace that we have no part in; empty where that is none."""
    stated = traceparent[3:35].decode("latin-1")
    return stated if len(stated) == 32 and set(stated) <= set("0123456789abcdef") else ""


class RequestLog:
    """`sample` of the answers have a line in the log, and all errors; of each no more than `per_second`. Where nothing
    `samples`, an answer that is not traced needs no `end`: most cost under a microsecond."""

    def __init__(self, tracing: Tracing, sample: float, per_second: float) -> None:
        self._tracing, self._begin = tracing.on, tracing.begin
        self._sample = sample
        self.samples = sample > 0
        self._answers, self._errors = TokenBucket(per_second), TokenBucket(per_second)

    def begin(self, headers: dict[bytes, bytes], request_id: bytes) -> None:
        """Of a request whose headers have come; for this task it is the current one from here on."""
        CURRENT.set((request_id, headers, None))

    def trace(self, headers: dict[bytes, bytes], method: str, route: str, request_id: bytes) -> RequestTrace | None:
        """Of the current request, once it is let in: whoever is may say that it is to be traced."""
        trace = self._begin(headers, method, route) if self._tracing else None
        if trace is not None:
            CURRENT.set((request_id, headers, trace))
        return trace

    def see(
        self, headers: dict[bytes, bytes], method: str, route: str, request_id: bytes, status: int, outcome: str, begun: float
    ) -> None:
        """Of a request that was refused before there was a task for it: `begin` and `end` in one. `begun` on the clock of
        `time.perf_counter`."""
        allowance = self._allowance(outcome)
        if allowance is None and not self._tracing:  # most of an overload
            return
        seconds = time.perf_counter() - begun

        def end() -> None:
            self.begin(headers, request_id)
            trace = self.trace(headers, method, route, request_id)
            self._end(trace, allowance, method, route, status, outcome, seconds)

        copy_context().run(end)

    def end(self, trace: RequestTrace | None, method: str, route: str, status: int, outcome: str, seconds: float) -> None:
        """Of a request that has been answered, or refused."""
        self._end(trace, self._allowance(outcome), method, route, status, outcome, seconds)

    def _allowance(self, outcome: str) -> TokenBucket | None:
        """What a line for it has been taken from; None where it is to have none."""
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
            facts["left_out"] = allowance.left_out  # since the last line of the kind
            allowance.left_out = 0
        level = logging.WARNING if status >= 500 else logging.INFO
        logger.log(level, "%s %s %d %s %.1f ms", method, route, status, outcome, seconds * 1e3, extra=facts)
