"""How long a connection may be idle, without a timer for each request.

uvicorn sets a timer after each answer and cancels it at the next request. Here one timer looks whether the connection has been
idle for too long: 1.05 times the requests of 64 connections.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final

RESOLUTION: Final = 1e-3  # seconds, of uvloop's timers
_NO_CONTEXT: Final = Context()
"""For the timer: the context of the request that set it would keep the request's headers for as long."""


class IdleTimeout:
    """`expired` is called when the time is over; it returns whether to wait for as long again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, expired: Callable[[], bool]) -> None:
        self._loop, self._seconds, self._expired = loop, seconds, expired
        self._since: float | None = None  # on the loop's clock; None: the connection is not idle
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The connection is idle from now on, until `end`."""
        self._since = self._loop.time()
        if self._timer is None:
            self._wait(self._seconds)

    def end(self) -> None:
        self._since = None

    def begin_again(self) -> None:
        """An idle connection's client has just finished reading its answer."""
        if self._since is not None:
            self._since = self._loop.time()

    def close(self) -> None:
        """For good, without a reference to the callback."""
        self._since, self._expired = None, _never
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._seconds - self._loop.time()
        if left >= RESOLUTION:
            self._wait(left)
        elif self._expired():
            self._wait(self._seconds)

    def _wait(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look, context=_NO_CONTEXT)


def _never() -> bool:
    return False
