"""Raw requests over real sockets, to an application behind uvicorn and our connections."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from service.connection import protocol
from service.connection.limits import ConnectionLimits
from service.connection.protocol import Connection
from service.connection.shared import Shared
from service.connection.stalling import UnreadAnswers
from service.http.early_refusal import EarlyRefusal
from service.http.head_rules import HeadRules
from service.http.uvicorn_cycle import Direct
from service.protocols.problem import render_error

LIMITS = ConnectionLimits(
    connections=10, header_bytes=2000, header_count=20, header_seconds=60, write_seconds=60, unread_bytes=2**30
)
LINGER: Final = 0.05
"""Seconds, where the service lingers for one: test and service share a loop, so an answer is read in time."""
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def hasty(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers before the body is read."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def run(
    client: Callable[[Connect], Awaitable[None]],
    app: ASGIApp = echo,
    limits: ConnectionLimits = LIMITS,
    idle: int = 60,
    early: EarlyRefusal | None = None,
    state: ServerState | None = None,
    access_log: bool = False,
    direct: Direct | None = None,
    rules: HeadRules | None = None,
) -> None:
    """`client` talks to `app` behind connections of ours; it is given what opens one. `state`: where uvicorn keeps them."""
    state = state or ServerState()

    async def both() -> None:
        http: Any = partial(
            Connection, Shared(limits, rules or HeadRules(), UnreadAnswers(limits.unread_bytes), render_error, early, direct)
        )
        config = uvicorn.Config(app, http=http, timeout_keep_alive=idle, ws="none", access_log=access_log)
        config.load()
        make: Any = config.http_protocol_class
        server = await asyncio.get_running_loop().create_server(
            lambda: make(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        opened: list[Streams] = []

        async def connect() -> Streams:
            opened.append(await asyncio.open_connection(*server.sockets[0].getsockname()[:2]))
            return opened[-1]

        async with server, asyncio.timeout(30):
            try:
                await client(connect)
            finally:
                for _, writer in opened:
                    writer.transport.abort()
                while state.connections or state.tasks:
                    await asyncio.sleep(0.001)

    with patch.object(protocol, "LINGER", LINGER):
        uvloop.run(both())  # as BentoML does


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # in lower case, the values too
    body: bytes

    @property
    def plain(self) -> tuple[int, bytes]:
        """Without what its headers say."""
        return self.status, self.body


async def answer(reader: asyncio.StreamReader) -> Answer:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()[:-1]
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, await reader.readexactly(int(headers["content-length"])))
