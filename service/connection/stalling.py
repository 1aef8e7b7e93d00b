"""What clients have not read of their answers: bounded in bytes, since it is memory that a stranger decides upon.

Where it is too much, who has left it longest is hung up on, rather than refused who asks next.
"""

from asyncio import Transport

from service.telemetry import metrics


class Unread:
    """Of all connections of one worker. The latest may leave as much as it likes: an answer has bounds of its own."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._left: dict[Transport, int] = {}  # the oldest first; as much as there was when it was last looked at

    def leaves(self, transport: Transport) -> bool:
        """A client has not read all that was written. Whether it has read something since it was last asked for."""
        before, now = self._left.get(transport), transport.get_write_buffer_size()
        self._left[transport] = now
        self._bytes += now - (before or 0)
        while self._bytes > self._most_bytes and len(self._left) > 1:
            oldest = next(iter(self._left))
            self.read(oldest)
            metrics.connections_refused.labels("unread-bytes").inc()
            oldest.abort()
        return before is None or now < before

    def read(self, transport: Transport) -> None:
        """It has, or it is gone."""
        self._bytes -= self._left.pop(transport, 0)
