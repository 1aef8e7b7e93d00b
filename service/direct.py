"""Requests that go past uvicorn's request cycle: those that are here whole with their head, as nearly all predictions are.

The connection hands such a request to the transport, and the transport's answer goes to the socket, without a scope, a task
or messages in between. Everything else goes the way of ASGI, which gives the same answers.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, Protocol

from starlette.types import Message

from service.routes import CLOSE, Response, Route
from service.writing import CommonLines, head_written, lines

logger = logging.getLogger(__name__)
_common: Final = CommonLines()


class DirectExchange:
    """Stands where uvicorn has the request cycle that a connection is busy with."""

    __slots__ = (
        "_finish",
        "_transport",
        "alone",
        "body",
        "default_headers",
        "disconnected",
        "headers",
        "keep_alive",
        "more_body",
        "pairs",
        "response_complete",
    )
    method: Final = "POST"
    response_started: Final = False
    message_event: Final = asyncio.Event()  # nobody waits for it

    def __init__(
        self,
        transport: asyncio.Transport,
        headers: list[tuple[bytes, bytes]],
        default_headers: list[tuple[bytes, bytes]],
        finish: Callable[[], None],
    ) -> None:
        self._transport, self._finish = transport, finish
        self.pairs, self.headers, self.default_headers = headers, dict(headers), default_headers
        self.body: bytes | None = b""
        self.more_body = True
        self.alone = self.disconnected = self.response_complete = False
        self.keep_alive = True

    def add(self, body: bytes) -> None:
        """A part of the body."""
        self.body = self.body + body if self.body else body

    def gone(self) -> bool:
        return self.disconnected

    async def receive(self) -> Message:
        raise AssertionError("the body is here")

    async def send(self, response: Response, identity: tuple[bytes, bytes], more: bool = False) -> None:  # noqa: ARG002
        self.response_complete = True
        transport = self._transport
        if transport.is_closing():
            return
        before = _common.of(self.default_headers) + lines((identity,) if self.keep_alive else (identity, CLOSE))
        transport.writelines((head_written(response, before), response.body))
        if not self.keep_alive:
            transport.close()
        self._finish()

    async def end(self) -> None:
        pass


class Direct(Protocol):
    """Who takes requests past ASGI: the transport."""

    def direct(self, target: bytes) -> Route | None:
        """The route of a `POST` that it would take; None where there is none."""

    def begin(self, route: Route, exchange: DirectExchange) -> None:
        """Answer it."""


class Turns:
    """Tells a request that is alone from those that came in the same turn of the event loop and could share a batch.

    A request that comes where the last turn had no more than one, and nothing is in progress, begins at once. The others begin
    when the turn has ended: then it is known how many there are.
    """

    def __init__(self, busy: Callable[[], object]) -> None:
        self._busy = busy  # whether anything is in progress
        self._came = 0  # in this turn
        self._before = 0  # in the last turn that had any
        self._waiting: list[Callable[[bool], None]] = []

    def begin(self, start: Callable[[bool], None]) -> None:
        """Call `start` now or when the turn ends, with whether the request is alone."""
        self._came += 1
        if self._came == 1:
            asyncio.get_running_loop().call_soon(self._end)
            if self._before <= 1 and not self._busy():
                start(True)
                return
        self._waiting.append(start)

    def _end(self) -> None:
        self._before, self._came = self._came, 0
        waiting, self._waiting = self._waiting, []
        alone = len(waiting) == 1 and not self._busy()
        for start in waiting:
            try:
                start(alone)
            except Exception:  # a fault of ours: the others must be answered
                logger.exception("a request could not be begun")


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run up to the first wait at once, and on whenever what it waits for is there, in a context of its own.

    A task would do it too, a turn of the loop later and for some 3 us more. What only a task has, such as `asyncio.timeout`,
    the coroutine must not ask for.
    """
    _Running(coroutine).step()


class _Running:
    __slots__ = ("_context", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine, self._context = coroutine, Context()

    def step(self, _done: object = None) -> None:
        try:
            waits_for = self._context.run(self._coroutine.send, None)
        except StopIteration:
            return
        if waits_for is None:  # a turn of the loop
            asyncio.get_running_loop().call_soon(self.step)
            return
        waits_for._asyncio_future_blocking = False  # noqa: SLF001 - how a future is told that somebody does wait for it
        waits_for.add_done_callback(self.step)
