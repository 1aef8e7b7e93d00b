"""Requests that a client sends before it has the answers to those before: a few are read ahead of their turn, the others
wait as the bytes that they are.

uvicorn makes requests of all that the socket had, up to 256 kB at once, which is ten thousand of 24 bytes and 25 MB of what
stands for them; and with each answer it reads as much again.
"""

import asyncio
from collections import deque
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PIECE: Final = 2048
"""Bytes that are read at once where there could be many requests in what came."""
MANY: Final = 64
"""Carriage returns in it, of which each request has two or more; what is sent of bodies has next to none."""


class _Flow(FlowControl):
    """Nobody reads on, whoever asks for it, while requests wait for their turn."""

    def __init__(self, transport: asyncio.Transport, pipeline: deque[tuple[RequestResponseCycle, ASGI3Application]]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if self.read_paused and not self._pipeline:
            super().resume_reading()


class Pipelining(HttpToolsProtocol):
    """What `Idling` builds on. uvicorn knows the request that was read last, this the one whose turn it is, too."""

    def __init__(self, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._running: RequestResponseCycle | None = None  # or the last that ran
        self._unread_pieces = deque[bytes]()  # only while there is a pipeline

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)

    def connection_lost(self, exc: Exception | None) -> None:
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self.pipeline.clear()
        self._unread_pieces.clear()
        super().connection_lost(exc)

    def many(self, data: bytes) -> bool:
        """Whether there could be more requests in what came than should be read at once."""
        return bool(self.pipeline) or (len(data) > PIECE and data.count(b"\r") > MANY)

    def read_in_pieces(self, data: bytes) -> None:
        """Have `data_received` read it piece by piece, each when no request waits for its turn."""
        self._unread_pieces.extend(data[at : at + PIECE] for at in range(0, len(data), PIECE))
        self._read_on()

    def on_response_complete(self) -> None:
        """In place of uvicorn's, but for the timer of idle connections."""
        self.server_state.total_requests += 1
        if self._running is not None:
            self._running.body = b""  # type: ignore[assignment]  # what nobody asked for would stay until the next request
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.idles()
        if not self.pipeline:
            self._read_on()

    def idles(self) -> None:
        """Every request that is here has been answered."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _read_on(self) -> None:
        while self._unread_pieces and not self.pipeline:
            self.data_received(self._unread_pieces.popleft())
        self.flow.resume_reading()
