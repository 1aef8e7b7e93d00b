"""What goes past ASGI must come as what goes through it does; and what is not sure to, must go through it."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from service import metrics
from service.admission import Admission
from service.protocols.native import render_error
from service.routes import Request, Response, Route
from service.shortcuts import read_whole, write_whole
from service.tallies import tallies
from service.writing import Together
from tests.service import wire
from tests.service.asgi import LIMITS, untraced
from tests.service.wire import Connect, answer

POST = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"
IDENTITY = (b"x-request-id", b"7")


class Echo:
    """Answers with the body, past ASGI where it can; notes for each request whether it could."""

    def __init__(self) -> None:
        self.past: list[tuple[bool, bool]] = []  # reading, writing

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        body = read_whole(receive)
        read, body = body is not None, body or b""
        more = not read
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        response = Response(body)
        written = write_whole(response, IDENTITY, send)
        if not written:
            await send({"type": "http.response.start", "status": 200, "headers": [*response.head, IDENTITY]})
            await send({"type": "http.response.body", "body": body})
        self.past.append((read, written))


def through(app: ASGIApp) -> ASGIApp:
    """`app` behind a middleware that sees every message."""

    async def seeing(scope: Scope, receive: Receive, send: Send) -> None:
        async def receives() -> Message:
            return await receive()

        async def sends(message: Message) -> None:
            await send(message)

        await app(scope, receives, sends)

    return seeing


def test_an_answer_is_the_same_past_asgi_as_through_it() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(POST)
            status, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            answers.append((status, sorted(headers), await reader.readexactly(3)))

    answers: list[tuple[bytes, list[bytes], bytes]] = []
    past, seen, state = Echo(), Echo(), ServerState()
    state.default_headers = [(b"server", b"x"), (b"x-content-type-options", b"nosniff")]
    wire.run(client, past, state=state)
    wire.run(client, through(seen), state=state)
    assert past.past == [(True, True)] * 3
    assert seen.past == [(False, False)] * 3
    assert answers == [answers[0]] * 6
    assert {b"x-request-id: 7", b"server: x", b"content-length: 3"} < set(answers[0][1])


@pytest.mark.parametrize("logs", [False, True], ids=["past", "uvicorn logs"])
def test_the_transport_takes_both_where_uvicorn_logs_nothing(monkeypatch: pytest.MonkeyPatch, logs: bool) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /plain HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")
        assert (await answer(reader)).plain == (200, b"abc")

    async def plain(request: Request) -> Response:
        return Response(request.body)

    def note(together: Together, head: bytes, body: bytes) -> None:
        noted.append(body)
        write(together, head, body)

    noted, write = list[bytes](), Together.write_whole
    monkeypatch.setattr(Together, "write_whole", note)
    transport = untraced(LIMITS, Admission(10_000, 10.0))
    transport.add(Route("/plain", "POST", plain, render_error))
    counted = metrics.requests.labels("/plain", "ok")
    tallies.tell()
    before = counted._value.get()
    wire.run(client, transport.around(Starlette(), []), access_log=logs)
    tallies.tell()
    assert noted == ([] if logs else [b"abc"])
    assert counted._value.get() == before + 1


@pytest.mark.parametrize(
    ("request_", "past"),
    [
        (b"HEAD / HTTP/1.1\r\n\r\n", (False, False)),  # whose head is all of its answer
        (b"GET / HTTP/1.1\r\n\r\n", (False, True)),
        (b"POST / HTTP/1.0\r\ncontent-length: 3\r\n\r\nabc", (True, False)),  # which must be closed
        (b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc", (True, False)),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", (True, True)),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", (False, True)),
    ],
)
def test_only_what_is_sure_goes_past(request_: bytes, past: tuple[bool, bool]) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(request_)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 ")
        if request_.startswith(b"POST"):
            assert await reader.readexactly(3) == b"abc"
        if b"1.0" in request_ or b"close" in request_:
            assert b"connection: close" in head
            assert await reader.read() == b""

    echo = Echo()
    wire.run(client, echo)
    assert echo.past == [past]


def test_a_client_that_is_to_be_told_to_go_on_is() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"abc")
        assert (await answer(reader)).plain == (200, b"abc")

    echo = Echo()
    wire.run(client, echo)
    assert echo.past == [(False, True)]


def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        bodies = [b"%03d" % number for number in range(40)]
        writer.write(b"".join(POST.replace(b"abc", body) for body in bodies))
        assert [(await answer(reader)).body for _ in bodies] == bodies

    echo = Echo()
    wire.run(client, echo)
    assert echo.past == [(True, True)] * 40


def test_a_client_that_does_not_read_is_waited_for() -> None:
    """It must not have everything that it asks for kept in memory."""

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(POST * 2)
        async with asyncio.timeout(20):
            await full.wait()
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(2):
            assert (await answer(reader)).plain == (200, large)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        response = Response(large)
        past.append(write_whole(response, IDENTITY, send))
        if past[-1]:
            return
        full.set()
        await send({"type": "http.response.start", "status": 200, "headers": response.head})
        await send({"type": "http.response.body", "body": large})

    large, full, past = bytes(2**24), asyncio.Event(), list[bool]()
    wire.run(client, app)
    assert past == [True, False]


def test_a_client_that_has_gone_is_written_nothing() -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        assert read_whole(receive) == b"abc"
        came.set()
        message = await receive()  # waits, for the body was taken
        assert message["type"] == "http.disconnect"
        assert read_whole(receive) is None
        written.append(write_whole(Response(b"late"), IDENTITY, send))

    async def client(connect: Connect) -> None:
        _, writer = await connect()
        writer.write(POST)
        await came.wait()
        writer.transport.abort()

    came, written = asyncio.Event(), list[bool]()
    wire.run(client, gone)
    assert written == [False]
