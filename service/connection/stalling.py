"""Clients that stall: one owes the rest of a request, or does not read its answer.

uvicorn waits for both for ever. Unread answers are bounded in bytes as well, because a stranger decides how much memory they
take: the connection that left its answer unread longest is aborted, rather than the next request refused.
"""

import asyncio
from collections.abc import Callable

from service.telemetry import metrics


class StallTimer:
    """Calls `expired` once the client has owed the rest of a request for so many seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, expired: Callable[[], None]) -> None:
        self._loop, self._seconds, self._expired = loop, seconds, expired
        self.timer: asyncio.TimerHandle | None = None  # while it runs

    def start(self) -> None:
        """Unless it runs."""
        if self.timer is None:
            self.timer = self._loop.call_later(self._seconds, self._expired)

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def close(self) -> None:
        """For good, without a reference to the callback."""
        self.stop()
        self._expired = _nothing


class UnreadAnswers:
    """Of all connections of one worker. The latest may leave as much as it likes: each answer has bounds of its own."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._left: dict[asyncio.Transport, int] = {}  # the oldest first; the bytes at the last look

    def look(self, transport: asyncio.Transport) -> bool:
        """The client has not read everything. Whether it has read something since the last look."""
        before, now = self._left.get(transport), transport.get_write_buffer_size()
        self._left[transport] = now
        self._bytes += now - (before or 0)
        while self._bytes > self._most_bytes and len(self._left) > 1:
            oldest = next(iter(self._left))
            self.forget(oldest)
            metrics.connections_refused.labels("unread-bytes").inc()
            oldest.abort()
        return before is None or now < before

    def forget(self, transport: asyncio.Transport) -> None:
        """The client has read everything, or is gone."""
        self._bytes -= self._left.pop(transport, 0)


class UnreadAnswer:
    """Of one connection: calls `expired` once the client has read nothing for so many seconds; waits on for a slow client."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, all_unread: UnreadAnswers, expired: Callable[[], None]
    ) -> None:
        self._loop, self._seconds, self._all, self._expired = loop, seconds, all_unread, expired
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begins(self, transport: asyncio.Transport) -> None:
        """Unless it has begun."""
        if self._timer is None:
            self._transport = transport
            self._look()

    def ends(self) -> None:
        """The client has read everything, or is gone."""
        if self._timer is not None and self._transport is not None:
            self._all.forget(self._transport)
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """For good, without a reference to the callback."""
        self.ends()
        self._transport, self._expired = None, _nothing

    def _look(self) -> None:
        if self._transport is None:
            return
        if self._all.look(self._transport):
            self._timer = self._loop.call_later(self._seconds, self._look)
        else:
            self._expired()


def _nothing() -> None:
    pass
