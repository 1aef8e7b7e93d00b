"""Clients that stop, over real sockets: whose connections end, and whose do not."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from tests.service.wire import GET, LIMITS, Connect, answer, hasty, run


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\na: "], ids=["nothing", "half a head"])
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
        head = b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n"
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


def test_a_connection_idles_anew_after_each_request() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(GET)
            assert (await answer(reader)).plain == (200, b"")
            await asyncio.sleep(0.6)
        assert await reader.read() == b""

    run(client, idle=1)


async def slow_to_get(scope: Scope, receive: Receive, send: Send) -> None:
    """Longer than an idle connection is kept in these tests; a POST is answered before its body is read."""
    if scope["path"] == "/slow":
        await asyncio.sleep(1.3)
    await hasty(scope, receive, send)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc", b"defghiGET /slow HTTP/1.1\r\n\r\n"),
        (GET + b"GET /slow HTTP/1.1\r\n", b"\r\n"),
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
        size = 64 * 2**20
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET)
        await ended.wait()
        assert reader is not None

    run(client, talkative, LIMITS._replace(write_seconds=0.05))
