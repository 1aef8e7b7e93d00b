"""Answers a request without uvicorn's request cycle, if its headers and its body arrive in one read, as nearly all do.

The connection hands such a request to the transport, and the transport's answer goes to the socket, without a scope, a task
or messages in between. Everything else goes the way of ASGI, which gives the same answers.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from starlette.types import Message

from service.http.routes import CLOSE, Response, Route
from service.http.writing import CommonLines, head_written, lines, written

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
    message_event: Final = asyncio.Event()  # uvicorn sets it; no coroutine waits for it

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
        self.response_complete, self.body = True, None  # a refused body must not stay until the next request
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

    def fail(self) -> None:
        """Answer 500, if nothing was answered, and close: a fault of ours."""
        transport = self._transport
        if not transport.is_closing():
            if not self.response_complete:
                self.response_complete, self.body = True, None
                transport.write(written(Response(b"", 500, b"text/plain"), [*self.default_headers, CLOSE]))
            transport.close()


class Direct(Protocol):
    """What a connection needs of the transport."""

    def direct(self, method: bytes, target: bytes) -> Route | None:
        """The route of a request that the transport answers directly; None for every other request."""

    def begin(self, route: Route, exchange: DirectExchange) -> None:
        """Answer it."""
