"""Requests that wait for a model: first come, first served, cut into batches that are bounded in items."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from contract.rows import Rows
from service.errors import DeadlineExceeded
from service.request_context import Caller, CallerGone
from service.runtime.loaded_model import Answer, Plan

logger = logging.getLogger(__name__)
MOST_ITEMS: Final = 2**16
"""Most items of a batch; one request may have more. The smallest networks take 7 ms for so many, then others get their turn."""
ASK_AFTER: Final = 25e-3
"""A request that has waited for so many seconds is asked whether its client is still there. Asking costs more than running
a row that never waited."""


class Waiting(NamedTuple):
    """A request in the queue."""

    rows: Rows
    answer: "asyncio.Future[Answer]"
    caller: Caller
    since: float  # time.monotonic()
    watch: Any  # the observer of the answer, or None
    plan: Plan | None  # the model's plan for the rows, where it was already asked


class BatchQueue(deque[Waiting]):
    """Append to it; `take` a batch."""

    def take(self, now: float) -> list[Waiting]:
        """The next batch, without cancelled requests. Requests past their deadline or without a client get their error here."""
        batch: list[Waiting] = []
        items = 0
        while self and (not batch or items + len(self[0].rows.values) <= MOST_ITEMS):
            waiting = self.popleft()
            if waiting.answer.done():  # cancelled
                continue
            if now >= waiting.caller.deadline:
                _expire(waiting, now)
            elif now - waiting.since > ASK_AFTER and _is_gone(waiting.caller):
                waiting.answer.set_exception(CallerGone())
            else:
                batch.append(waiting)
                items += len(waiting.rows.values)
        return batch


def expire(requests: Iterable[Waiting], now: float) -> float:
    """Answer those past their deadline with their error. Returns the earliest deadline of the others, which may be infinite."""
    earliest = math.inf
    for waiting in requests:
        if waiting.answer.done():
            continue
        if now >= waiting.caller.deadline:
            _expire(waiting, now)
        else:
            earliest = min(earliest, waiting.caller.deadline)
    return earliest


def _expire(waiting: Waiting, now: float) -> None:
    waited = f"{(now - waiting.since) * 1e3:.0f} ms"
    waiting.answer.set_exception(DeadlineExceeded(f"waited {waited} for the model's answer, past its deadline."))


def _is_gone(caller: Caller) -> bool:
    try:
        return caller.gone()
    except Exception:  # a fault of the protocol must not stop the batcher
        logger.exception("asking whether a client is still there failed")
        return False
