"""What the engine must know about a request besides its rows: its deadline, its client, its trace. Protocols make it."""

import math
from collections.abc import Callable
from typing import NamedTuple

from service.telemetry.tracing import RequestTrace


def _stays() -> bool:
    return False


class Caller(NamedTuple):
    deadline: float = math.inf  # seconds, on the clock of time.monotonic()
    gone: Callable[[], bool] = _stays  # whether the client has disconnected; takes a few microseconds
    trace: RequestTrace | None = None
    alone: bool = False  # whether no other request is in progress that could share a batch
    size: int = 0  # bytes of the body, which the admission counts; 0 for a call inside the process


class CallerGone(Exception):
    """The client has disconnected, so no answer is sent."""
