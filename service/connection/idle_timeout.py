"""How long a connection may idle, without a timer for each request.

uvicorn sets a timer when it has answered a request and cancels it when the next one comes. Here it is written down since when
a connection idles, and one timer looks when that could have been too long: 1.05 times the requests of 64 connections.
"""

from contextvars import Context
from typing import Any, Final

from service.connection.pipelining import Pipelining

RESOLUTION: Final = 1e-3  # seconds, of uvloop's timers
_NO_CONTEXT: Final = Context()
"""For the timer: that of the request which set it would keep its headers for as long."""


class Idling(Pipelining):
    """What `Refusing` builds on. Whatever uvicorn does about idle connections ends here."""

    def __init__(self, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._idle_since: float | None = None  # on the loop's clock; None: it does not idle

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def idles(self) -> None:
        """From now on, until `_unset_keepalive_if_required`."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._idle_since is not None:
            self._idle_since = self.loop.time()  # until now it was reading its answer

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left >= RESOLUTION:
            self._look_in(left)
            return
        if self.flow.write_paused:  # it reads, however slowly; if not, `Connection` ends it
            self._look_in(self.timeout_keep_alive)
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait for the client to read
        super().timeout_keep_alive_handler()

    def _look_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler, context=_NO_CONTEXT)
