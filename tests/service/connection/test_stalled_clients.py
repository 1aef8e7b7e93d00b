"""Clients that stop, over real sockets: whose connections end, and whose do not."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tests.service.wire import GET, LIMITS, Connect, answer, hasty, run


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: x\r\na: "], ids=["nothing", "half a head"])
def test_a_client_that_does_not_send_its_head_is_hung_up_on(sent: bytes) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(sent)
        assert await reader.read() == b""

    run(client, limits=LIMITS._replace(header_seconds=0.05))


def test_half_a_head_after_a_request_is_hung_up_on_too() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        assert (await answer(reader)).plain == (200, b"")
        writer.write(GET[:20])
        assert await reader.read() == b""

    run(client, limits=LIMITS._replace(header_seconds=0.05))


def test_a_body_that_stops_after_its_answer_is_hung_up_on_and_one_that_goes_on_is_not() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"
        writer.write(head + b"abc")
        assert (await answer(reader)).plain == (401, b"")
        writer.write(b"defghi" + head + b"abc")
        assert (await answer(reader)).plain == (401, b"")
        assert await reader.read() == b""

    run(client, hasty, LIMITS._replace(header_seconds=0.2))


def test_an_idle_connection_is_closed() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        assert (await answer(reader)).plain == (200, b"")
        assert await reader.read() == b""

    run(client, idle=0)


class Later:
    """The event loop, with its clock as it will be; `timers` are those that it was asked for."""

    def __init__(self, seconds: float) -> None:
        self._loop, self._seconds = asyncio.get_running_loop(), seconds
        self.timers: list[float] = []

    def time(self) -> float:
        return self._loop.time() + self._seconds

    def call_later(self, seconds: float, callback: Callable[[], None], context: Context) -> asyncio.TimerHandle:
        self.timers.append(seconds)
        return self._loop.call_later(seconds, callback, context=context)


def only(state: ServerState) -> Any:
    (connection,) = state.connections
    return connection


def test_one_timer_looks_since_when_a_connection_idles() -> None:
    state = ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        timers = []
        for _ in range(2):
            writer.write(GET)
            assert (await answer(reader)).plain == (200, b"")
            connection = only(state)
            timers.append(connection._idle._timer)
        assert timers[0] is timers[1]
        later = connection._idle._loop = Later(600)
        connection._idle._look()
        assert later.timers == [pytest.approx(400, abs=30)]
        connection._idle._loop = Later(1001)
        connection._idle._look()
        assert await reader.read() == b""

    run(client, idle=1000, state=state)


def test_the_timer_ends_with_the_connection() -> None:
    state = ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        assert (await answer(reader)).plain == (200, b"")
        timer = only(state)._idle._timer
        writer.transport.abort()
        while state.connections:
            await asyncio.sleep(0)
        assert timer.cancelled()

    run(client, state=state)


async def send_much(send: Send) -> None:
    """More than anybody takes without reading."""
    size = 64 * 2**20
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
    await send({"type": "http.response.body", "body": bytes(size)})


def test_an_idle_connection_whose_answer_is_not_read_is_not_waited_for() -> None:
    state = ServerState()
    answered = asyncio.Event()

    async def talkative(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_much(send)
        answered.set()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET)
        await answered.wait()
        connection = only(state)
        later = connection._idle._loop = Later(1001)
        connection._idle._look()
        assert later.timers == [1000]  # nearly all of it is to be read: whether it is, another timer looks
        connection.flow.resume_writing()  # but for the little that is no reason to wait with the next
        connection._idle._look()
        while state.connections:
            await asyncio.sleep(0)
        assert reader is not None

    run(client, talkative, idle=1000, state=state)


async def slow_to_get(scope: Scope, receive: Receive, send: Send) -> None:
    """Longer than an idle connection is kept in these tests; a POST is answered before its body is read."""
    if scope["path"] == "/slow":
        await asyncio.sleep(1.3)
    await hasty(scope, receive, send)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc", b"defghiGET /slow HTTP/1.1\r\nhost: x\r\n\r\n"),
        (GET + b"GET /slow HTTP/1.1\r\nhost: x\r\n", b"\r\n"),
    ],
    ids=["behind a body whose answer came before it", "of which the head began before the answer to another"],
)
def test_a_request_is_not_taken_for_an_idle_connection(first: bytes, then: bytes) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(first)
        assert (await answer(reader)).status == 401
        writer.write(then)
        assert (await answer(reader)).status == 401

    run(client, slow_to_get, idle=1)


def test_blank_lines_do_not_keep_a_connection() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        assert (await answer(reader)).plain == (200, b"")
        writer.write(b"\r\n")
        assert await reader.read() == b""

    run(client, idle=1)


def test_a_client_that_does_not_read_its_answer_is_hung_up_on() -> None:
    ended = asyncio.Event()

    async def talkative(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send_much(send)
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET)
        await ended.wait()
        assert reader is not None

    run(client, talkative, LIMITS._replace(write_seconds=0.05))


def test_a_client_that_reads_slowly_is_waited_for() -> None:
    state = ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")  # from here on there is more than it is ready to take
        connection = only(state)
        for _ in range(2):
            while not connection.flow.write_paused:
                await asyncio.sleep(0)
            await reader.readexactly(16 * 2**20)
            connection._unread._look()
            assert not connection.transport.is_closing()
        connection._idle._loop = Later(500)
        await reader.readexactly(32 * 2**20)
        while connection.flow.write_paused:
            await asyncio.sleep(0)
        connection._idle._loop = Later(1001)
        connection._idle._look()  # it idles since it has read
        assert not connection.transport.is_closing()

    run(client, much, idle=1000, state=state)


def test_a_client_that_has_stopped_reading_is_not() -> None:
    state = ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        await reader.readexactly(16 * 2**20)
        connection = only(state)
        connection._unread._look()  # something was read since the answer was written
        assert not connection.transport.is_closing()
        connection._unread._look()
        assert connection.transport.is_closing()

    run(client, much, state=state)


def test_clients_that_do_not_read_keep_no_more_memory_than_they_may() -> None:
    state = ServerState()

    async def client(connect: Connect) -> None:
        opened = []
        for _ in range(3):
            opened.append(await connect())
            opened[-1][1].write(GET)
            await opened[-1][0].readuntil(b"\r\n\r\n")
        first, *_ = opened
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await first[0].readexactly(64 * 2**20)
        assert 1 <= len(state.connections) <= 2

    run(client, much, LIMITS._replace(unread_bytes=100 * 2**20), state=state)


async def much(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send_much(send)
