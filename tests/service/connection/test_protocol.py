import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from tests.service.wire import GET, LIMITS, Answer, Connect, answer, hasty, run


async def refusal(reader: asyncio.StreamReader) -> tuple[int, str]:
    """And the connection ends after it."""
    refused = reason(await answer(reader))
    assert await reader.read() == b""
    return refused


def reason(refused: Answer) -> tuple[int, str]:
    return refused.status, json.loads(refused.body)["type"].removeprefix("urn:unroll:error:")


def test_requests_go_through_one_after_another_and_pipelined() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
            assert (await answer(reader)).plain == (200, b"abc")
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc" * 5)
        assert [(await answer(reader)).plain for _ in range(5)] == [(200, b"abc")] * 5

    run(client)


@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize("size", [10, 200_000])
def test_a_body_in_pieces_is_whole_however_they_come(size: int, pieces: int) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        body = bytes(number % 251 for number in range(size))
        step = -(-size // pieces)
        parts = [body[start : start + step] for start in range(0, size, step)]
        head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n")
        assert (await answer(reader)).plain == (200, body)

    run(client)


def test_a_long_body_before_the_next_head_counts_for_nothing() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        body = b"x" * 50_000
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\n" + body + b"POST / HTTP/1.1\r\nhost: x\r\n")
        assert (await answer(reader)).plain == (200, body)
        writer.write(b"content-length: 1\r\n\r\ny")
        assert (await answer(reader)).plain == (200, b"y")

    run(client)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 3000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(21)) + b"\r\n",
    ],
    ids=["url", "one header", "many headers"],
)
@pytest.mark.parametrize("pieces", [1, 4])
def test_too_much_head_is_431_whole_or_in_pieces(head: bytes, pieces: int) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        size = -(-len(head) // pieces)
        for start in range(0, len(head), size):
            writer.write(head[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
        assert await refusal(reader) == (431, "headers-too-large")

    run(client)


def test_a_head_without_end_is_refused_before_it_ends() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
        refused = asyncio.ensure_future(answer(reader))
        while not refused.done():
            writer.write(b"a: " + b"b" * 500 + b"\r\n")
            await asyncio.wait([refused], timeout=0.01)
        assert reason(await refused) == (431, "headers-too-large")
        assert await reader.read() == b""

    run(client)


def test_what_comes_as_headers_behind_a_body_does_not_pass_for_headers() -> None:
    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        names = b" ".join(name for name, _ in scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(names))]})
        await send({"type": "http.response.body", "body": names})

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nauthorization: Bearer x\r\n\r\n"
        )
        assert (await answer(reader)).plain == (200, b"host transfer-encoding")
        writer.write(GET)
        assert (await answer(reader)).plain == (200, b"host")

    run(client, named)


def test_what_comes_behind_a_body_is_limited_as_headers_are() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(3 * LIMITS.header_bytes):  # more than that of a body, in the smallest chunks
            writer.write(b"1\r\na\r\n")
        writer.write(b"0\r\na: b\r\n\r\n")
        assert (await answer(reader)).plain == (200, b"a" * 3 * LIMITS.header_bytes)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\na: ")
        refused = asyncio.ensure_future(answer(reader))
        while not refused.done():
            writer.write(b"b" * 500)
            await asyncio.wait([refused], timeout=0.01)
        assert reason(await refused) == (431, "headers-too-large")

    run(client)


def test_a_body_that_is_none_is_told_so_at_once() -> None:
    ended = asyncio.Event()

    async def reading(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n")
        assert await refusal(reader) == (400, "not-http")
        await ended.wait()

    run(client, reading)


def test_a_body_that_is_none_gets_no_second_answer() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        assert (await answer(reader)).plain == (401, b"")
        writer.write(b"zz\r\n")
        assert await reader.read() == b""

    run(client, hasty)


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"])
def test_what_is_not_http_is_400_in_our_form(junk: bytes) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(junk)
        assert await refusal(reader) == (400, "not-http")

    run(client)


def test_junk_behind_a_request_leaves_its_answer_whole() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET + b"\x00\x00\x00\r\n\r\n")
        status, _, body = await answer(reader)
        assert (status, body) == (200, b"")
        assert await reader.read() == b""

    run(client)


def test_beyond_the_most_connections_the_answer_is_503_until_one_goes() -> None:
    async def client(connect: Connect) -> None:
        (first, to_first), (second, to_second) = await connect(), await connect()
        for reader, writer in ((first, to_first), (second, to_second)):
            writer.write(GET)
            assert (await answer(reader)).plain == (200, b"")
        third, to_third = await connect()
        to_third.write(GET)
        assert await refusal(third) == (503, "too-many-connections")
        asker, to_asker = await connect()  # an orchestrator, which would end a worker that does not answer
        to_asker.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        told = await answer(asker)
        assert (told.plain, told.headers["connection"]) == ((200, b""), "close")
        assert await asker.read() == b""
        to_first.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await answer(first)).plain == (200, b"")
        assert await first.read() == b""  # and so the service has let it go
        fourth, to_fourth = await connect()
        to_fourth.write(GET)
        assert (await answer(fourth)).plain == (200, b"")

    run(client, limits=LIMITS._replace(connections=2))


def test_far_beyond_the_most_connections_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def client(connect: Connect) -> None:
        opened = [await connect() for _ in range(4)]
        assert await opened[3][0].read() == b""
        for (reader, writer), expected in zip(opened, (200, 200, 503), strict=False):
            writer.write(GET)
            assert (await answer(reader)).status == expected

    monkeypatch.setattr("service.connection.protocol.SPARE", 1)
    run(client, limits=LIMITS._replace(connections=2))
