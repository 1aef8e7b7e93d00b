"""All that this service knows of uvicorn's request cycle, and the objects that stand in its place.

uvicorn's protocol keeps the request in progress as `cycle`. Some requests need no scope, no task and no ASGI messages: the
connection puts a stand-in there and writes the answer itself. All others use uvicorn's own cycle, with the same answers.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from starlette.types import Message

from service.http.messages import CLOSE, CommonHeaders, Headers, Response, head_bytes, header_lines, response_bytes
from service.http.routes import Found

_common: Final = CommonHeaders()


class StandIn:
    """All that uvicorn's protocol reads and sets of its `cycle`; `hosting/seams.py` checks that it is."""

    __slots__ = (
        *("_finish", "_transport", "body", "disconnected", "keep_alive", "more_body", "response_complete"),
        "waiting_for_100_continue",
    )
    response_started: Final = False
    message_event: Final = asyncio.Event()  # uvicorn sets it; no coroutine waits for it

    def __init__(self, transport: asyncio.Transport, finish: Callable[[], None], more_body: bool = True) -> None:
        """`finish` is called when the response is written."""
        self._transport, self._finish = transport, finish
        self.body: bytes | None = b""
        self.more_body, self.keep_alive = more_body, True
        self.disconnected = self.response_complete = False

    def write(self, *parts: bytes) -> None:
        """The whole response. Closes the connection unless it is kept alive."""
        self.response_complete, self.body = True, None  # a refused body must not stay until the next request
        transport = self._transport
        if not transport.is_closing():
            transport.writelines(parts)
            if not self.keep_alive:
                transport.close()
        self._finish()


class DirectExchange(StandIn):
    """A request that is answered directly: its headers and its body arrived in one read, as nearly always."""

    __slots__ = ("alone", "default_headers", "headers", "pairs")
    method: Final = "POST"

    def __init__(
        self,
        transport: asyncio.Transport,
        pairs: Headers,
        headers: dict[bytes, bytes],
        default_headers: Headers,
        finish: Callable[[], None],
    ) -> None:
        super().__init__(transport, finish)
        self.pairs, self.headers, self.default_headers = pairs, headers, default_headers
        self.alone = False

    def add(self, body: bytes) -> None:
        """A part of the body."""
        self.body = self.body + body if self.body else body

    def gone(self) -> bool:
        return self.disconnected

    async def receive(self) -> Message:
        raise AssertionError("the body is here")

    async def send(self, response: Response, identity: tuple[bytes, bytes]) -> None:
        own = header_lines((identity,) if self.keep_alive else (identity, CLOSE))
        self.write(head_bytes(response, _common.lines(self.default_headers) + own), response.body)

    def fail(self) -> None:
        """Answer 500, unless an answer was written, and close: a fault of ours."""
        self.keep_alive = False
        if self.response_complete:
            self._transport.close()
        else:
            self.write(response_bytes(Response(b"", 500, b"text/plain"), [*self.default_headers, CLOSE]))


class Direct(Protocol):
    """What a connection needs of the transport."""

    def direct(self, method: bytes, target: bytes) -> Found | None:
        """The route of a request that the transport answers directly; None for every other request."""

    def begin(self, found: Found, exchange: DirectExchange) -> None:
        """Answer it."""
