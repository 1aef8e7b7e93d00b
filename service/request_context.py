"""Who waits for an answer, and until when. Protocols make it, the batcher heeds it."""

import math
from collections.abc import Callable
from typing import NamedTuple

from service.telemetry.tracing import RequestTrace


def _stays() -> bool:
    return False


class Caller(NamedTuple):
    deadline: float = math.inf  # of time.monotonic(), in seconds
    gone: Callable[[], bool] = _stays  # whether nobody is there any more; costs a few microseconds
    trace: RequestTrace | None = None
    alone: bool = False  # whether no other request is here that could share its run
    size: int = 0  # bytes of its request that count as work; 0 inside the process


class CallerGone(Exception):
    """The client went away: there is nobody to answer, and nothing to report."""
