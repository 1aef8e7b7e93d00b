"""Many requests at once on one connection, over real sockets."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.connection.pipelining import PIECE, could_be_many, in_pieces
from tests.service.wire import GET, LIMITS, Connect, answer, echo, hasty, run

REQUESTS = 4_000


def numbered(number: int) -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n%04d" % number


@pytest.mark.parametrize("piece", [10**9, 5_000, 1_000])
def test_few_are_read_ahead_of_their_turn_and_all_are_answered_in_it(piece: int) -> None:
    ahead: list[int] = []
    state = ServerState()

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        (connection,) = state.connections
        ahead.append(len(connection.pipeline))  # type: ignore[union-attr]
        await asyncio.sleep(0)
        await echo(scope, receive, send)

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        sent = b"".join(map(numbered, range(REQUESTS)))
        for at in range(0, len(sent), piece):
            writer.write(sent[at : at + piece])
            await asyncio.sleep(0)
        assert [(await answer(reader)).body for _ in range(REQUESTS)] == [b"%04d" % number for number in range(REQUESTS)]
        writer.write(numbered(1))  # and it goes on as before
        assert (await answer(reader)).body == b"0001"

    run(client, counting, state=state)
    assert len(ahead) == REQUESTS + 1
    assert 10 < max(ahead) <= PIECE / len(numbered(0)) + 1


def test_what_comes_behind_them_is_read_when_it_is_their_turn() -> None:
    """A head in two halves, of which the second is sent once there are answers: that is no stall."""

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET * 500 + GET[:10])
        assert {(await answer(reader)).plain for _ in range(500)} == {(200, b"")}
        writer.write(GET[10:])
        assert (await answer(reader)).plain == (200, b"")
        writer.write(GET * 500 + GET[:10])
        assert {(await answer(reader)).plain for _ in range(500)} == {(200, b"")}
        assert await reader.read() == b""  # but who never sends the other half is hung up on

    run(client, limits=LIMITS._replace(header_seconds=0.5))


def test_a_large_body_of_many_lines_comes_whole() -> None:
    body = b"[0.5,\r\n0.25]" * 50_000

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body) + GET)
        assert (await answer(reader)).plain == (200, body)
        assert (await answer(reader)).plain == (200, b"")

    run(client)


def test_a_request_that_runs_hears_that_its_client_is_gone_though_others_wait_behind_it() -> None:
    heard: list[Any] = []
    state = ServerState()

    async def waits(_scope: Scope, receive: Receive, _send: Send) -> None:
        (connection,) = state.connections
        heard.append(await receive())
        connection.transport.abort()
        heard.append(await receive())

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET * 3)
        assert await reader.read() == b""

    run(client, waits, state=state)
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]


def test_a_body_that_nobody_asked_for_is_let_go_with_the_answer() -> None:
    state = ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\n" + b"x" * 40_000)
        assert (await answer(reader)).plain == (401, b"")
        (connection,) = state.connections
        assert len(connection.cycle.body) == 0  # type: ignore[union-attr]

    run(client, hasty, state=state)


def test_a_read_is_cut_into_pieces() -> None:
    assert [*in_pieces(bytes(PIECE) + b"rest"), *in_pieces(b"more")] == [bytes(PIECE), b"rest", b"more"]


def test_a_read_could_hold_many_requests_by_its_carriage_returns() -> None:
    assert could_be_many(GET * 100)
    assert not could_be_many(GET + b"[[0.5, 0.5]]" * 1000)
