import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
import trustme
import uvicorn
import uvloop
from _bentoml_impl.worker.service import main  # type: ignore[import-untyped]

from service.connection.protocol import Connection
from service.connection.shared import Shared
from service.connection.stalling import UnreadAnswers
from service.hosting.accepting import MOST, Server
from service.http.head_rules import HeadRules
from service.protocols.problem import render_error
from tests.service.wire import GET, LIMITS, answer, echo

WAITING = 200


@contextmanager
def clients(listener: socket.socket) -> Iterator[list[socket.socket]]:
    """So many that have connected, and whom nobody has accepted."""
    with ExitStack() as opened:
        yield [opened.enter_context(socket.create_connection(listener.getsockname())) for _ in range(WAITING)]


def run(
    client: Callable[[Server], Awaitable[None]],
    listener: socket.socket,
    context: ssl.SSLContext | None = None,
    most_connections: int = 2 * WAITING,
) -> None:
    async def both() -> None:
        limits = LIMITS._replace(connections=2 * WAITING)
        http: Any = partial(Connection, Shared(limits, HeadRules(), UnreadAnswers(2**30), render_error, None, None))
        config = uvicorn.Config(echo, http=http, ws="none", lifespan="off")
        config.load()
        config.lifespan = "on"  # which the application here does not speak
        config.ssl = context
        server = Server(config, most_connections)
        server.lifespan = config.lifespan_class(config)
        async with asyncio.timeout(30):
            await server.startup([listener])
            try:
                await client(server)
            finally:
                await server.shutdown([listener])

    uvloop.run(both())  # as BentoML does


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=WAITING) as listening:
        yield listening


def test_all_who_wait_are_accepted_within_a_few_turns_of_the_loop(listener: socket.socket) -> None:
    turns = 0

    async def client(server: Server) -> None:
        nonlocal turns
        while len(server.server_state.connections) < WAITING:
            await asyncio.sleep(0)
            turns += 1

    with clients(listener):
        run(client, listener)
    assert turns <= 4 * (WAITING // MOST + 1)  # of uvicorn's own: as many as connections


def test_each_of_them_is_answered_and_nobody_is_once_it_ends(listener: socket.socket) -> None:
    address = listener.getsockname()

    async def client(_server: Server) -> None:
        for one in waiting:
            reader, writer = await asyncio.open_connection(sock=one)
            writer.write(GET)
            assert (await answer(reader)).plain == (200, b"")
            writer.close()

    with clients(listener) as waiting:
        run(client, listener)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_whoever_is_accepted_when_it_ends_is_told_so(listener: socket.socket) -> None:
    async def client(server: Server) -> None:
        while not server.server_state.connections:
            await asyncio.sleep(0)

    with clients(listener) as waiting:
        run(client, listener)  # which ends with the first connection, while others are being accepted
        ends = []
        for one in waiting:
            one.settimeout(10)
            try:
                ends.append(one.recv(1))
            except ConnectionResetError:  # nobody had accepted it
                ends.append(b"")
    assert ends == [b""] * WAITING


def test_beyond_the_most_connections_they_are_taken_one_by_one(listener: socket.socket) -> None:
    most, turns, after = 20, 20, 0

    async def client(server: Server) -> None:
        nonlocal after
        while len(server.server_state.connections) < most:
            await asyncio.sleep(0)
        before = len(server.server_state.connections)
        for _ in range(turns):
            await asyncio.sleep(0)
        after = len(server.server_state.connections) - before

    with clients(listener):
        run(client, listener, most_connections=most)
    assert 0 < after <= turns


def test_who_speaks_no_tls_is_let_go_and_the_others_are_answered(listener: socket.socket) -> None:
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(trusting)

    async def client(_server: Server) -> None:
        for number, one in enumerate(waiting):
            if number % 2:
                reader, writer = await asyncio.open_connection(sock=one)
                writer.write(GET)
                assert await reader.read() == b""
            else:
                reader, writer = await asyncio.open_connection(sock=one, ssl=trusting, server_hostname="localhost")
                writer.write(GET)
                assert (await answer(reader)).plain == (200, b"")
            writer.close()

    with clients(listener) as waiting:
        run(client, listener, context)


def test_bentoml_asks_for_what_listen_puts_in_uvicorns_place() -> None:
    assert {"Config", "Server"} <= set(main.callback.__code__.co_names)
