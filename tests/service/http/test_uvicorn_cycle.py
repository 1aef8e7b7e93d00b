"""What goes past ASGI must be answered as what goes through it; and what is not sure to, must go through it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from service.http.messages import Request, Response
from service.http.routes import Found, Route
from service.http.scheduling import Turns, run
from service.http.transport import Transport
from service.http.uvicorn_cycle import DirectExchange
from service.overload.admission import Admission
from service.protocols.problem import render_error
from tests.service import wire
from tests.service.asgi import LIMITS, untraced
from tests.service.wire import Connect, answer

POST = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"


class Served:
    """A transport in front of nothing, that notes which requests came past ASGI and which through it."""

    def __init__(self, handle: Callable[[Request], asyncio.Future[Response]] | None = None) -> None:
        self.transport: Transport = untraced(LIMITS, Admission(10_000, 10.0))
        routes = (Route(path, "POST", handle or self._echo, render_error) for path in ("/echo", "/models/{name}/predict"))
        self.transport.add(*routes)
        self.ways: list[str] = []
        self.alone: list[bool] = []
        self.names: list[str] = []
        self.turns = Turns(lambda: False)

    async def _echo(self, request: Request) -> Response:
        self.alone.append(request.caller.alone)
        self.names += request.path.values()
        return Response(request.body)

    def direct(self, method: bytes, target: bytes) -> Found | None:
        return self.transport.direct(method, target)

    def begin(self, route: Found, exchange: DirectExchange) -> None:
        self.ways.append("past")
        self.transport.begin(route, exchange)

    def app(self) -> ASGIApp:
        ours = self.transport.around(Starlette(), [])

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            self.ways.append("through")
            await ours(scope, receive, send)

        return noting

    def run(self, client: Callable[[Connect], object], state: ServerState | None = None, access_log: bool = False) -> list[str]:
        wire.run(client, self.app(), state=state, direct=self, access_log=access_log)  # type: ignore[arg-type]
        return self.ways


async def told(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes], bytes]:
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    length = next(int(header.split()[1]) for header in headers if header.startswith(b"content-length"))
    return status, sorted(each for each in headers if not each.startswith(b"x-request-id")), await reader.readexactly(length)


@pytest.mark.parametrize("body", [b"abc", b"x" * (LIMITS.body.most_bytes + 1)], ids=["answered", "refused"])
def test_an_answer_is_the_same_past_asgi_as_through_it(body: bytes) -> None:
    async def client(connect: Connect) -> None:
        for extra in (b"", b"origin: http://a\r\n"):
            reader, writer = await connect()
            writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n%b" % (extra, len(body), body))
            answers.append(await told(reader))

    answers: list[tuple[bytes, list[bytes], bytes]] = []
    served, state = Served(), ServerState()
    state.default_headers = [(b"server", b"x"), (b"x-content-type-options", b"nosniff")]
    assert served.run(client, state) == ["past", "through"]
    past, through = answers
    assert {b"server: x", b"x-content-type-options: nosniff"} < set(past[1])
    if body == b"abc":
        assert past == through
    else:  # through it the rest of the body might still come, so the connection is closed
        assert (past[0], past[2]) == (through[0], through[2])
        assert set(through[1]) - set(past[1]) == {b"connection: close"}


@pytest.mark.parametrize(
    ("request_", "way"),
    [
        (POST, "past"),
        (POST.replace(b"content-length: 3\r\n\r\nabc", b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "past"),
        (POST.replace(b"host: x", b"host: x\r\norigin: http://a"), "through"),
        (POST.replace(b"host: x", b"host: x\r\nconnection: close"), "through"),
        (POST.replace(b"HTTP/1.1", b"HTTP/1.0"), "through"),
        (POST.replace(b"host: x", b"host: x\r\nexpect: 100-continue"), "through"),
        (POST.replace(b"host: x", b"host: x\r\nconnection: upgrade\r\nupgrade: h2c"), "through"),
        (POST.replace(b"/echo", b"/models/walks/predict"), "past"),
        (POST.replace(b"/echo", b"/models/w%61lks/predict"), "through"),
        (POST.replace(b"/echo", b"/echo?a=b"), "through"),
        (POST.replace(b"/echo", b"/nothing"), "through"),
        (POST.replace(b"POST", b"PUT"), "through"),
    ],
)
def test_what_may_go_past_asgi(request_: bytes, way: str) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(request_)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 ")

    served = Served()
    assert served.run(client) == [way]
    assert served.names == ["walks"] * (b"/models/" in request_)


def test_where_uvicorn_logs_requests_or_the_service_drains_all_go_through() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(POST)
        assert (await answer(reader)).plain == (200, b"abc")

    draining = Served()
    draining.transport.answer_through_asgi()
    assert draining.run(client) == ["through"]
    assert Served().run(client, access_log=True) == ["through"]


@pytest.mark.parametrize("pieces", [(20,), (len(POST) - 3,), (len(POST) - 1,), (20, len(POST) - 1)])
def test_a_request_that_comes_in_pieces_is_answered_like_one_that_comes_whole(pieces: tuple[int, ...]) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for number, (start, end) in enumerate(zip((0, *pieces), (*pieces, len(POST)), strict=True)):
            writer.write(POST[start:end])
            await asyncio.wait_for(reached(writer, number), 5)
        assert (await answer(reader)).plain == (200, b"abc")
        writer.write(POST)
        assert (await answer(reader)).plain == (200, b"abc")

    async def reached(writer: asyncio.StreamWriter, _number: int) -> None:
        await writer.drain()
        for _ in range(20):  # the server has the same loop: it reads before these turns are over
            await asyncio.sleep(0)

    ways = Served().run(client)
    assert ways[-1] == "past"
    assert len(ways) == 2


def test_requests_sent_ahead_of_their_turn_are_answered_in_order() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"".join(POST.replace(b"abc", b"%03d" % number) for number in range(100)))
        assert [(await answer(reader)).body for _ in range(100)] == [b"%03d" % number for number in range(100)]

    ways = Served().run(client)
    assert len(ways) == 100


def test_a_client_that_goes_while_its_request_waits_is_gone() -> None:
    seen = list[bool]()

    async def handle(request: Request) -> Response:
        waits.set()
        seen.append(request.caller.gone())
        await left.wait()
        seen.append(request.caller.gone())
        return Response(request.body)

    async def client(connect: Connect) -> None:
        _, writer = await connect()
        writer.write(POST)
        await waits.wait()
        writer.transport.abort()
        while state.connections:
            await asyncio.sleep(0)
        left.set()

    waits, left, state = asyncio.Event(), asyncio.Event(), ServerState()
    assert Served(handle).run(client, state) == ["past"]  # type: ignore[arg-type]
    assert seen == [False, True]


def test_the_last_answer_of_a_server_that_ends_closes_its_connection() -> None:
    async def handle(request: Request) -> Response:
        waits.set()
        await ends.wait()
        return Response(request.body)

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(POST)
        await waits.wait()
        for connection in list(state.connections):
            connection.shutdown()
        ends.set()
        last = await answer(reader)
        assert (last.plain, last.headers["connection"]) == ((200, b"abc"), "close")
        assert await reader.read() == b""

    waits, ends, state = asyncio.Event(), asyncio.Event(), ServerState()
    assert Served(handle).run(client, state) == ["past"]  # type: ignore[arg-type]


@pytest.mark.parametrize("when", ["alone", "in company", "after a wait"])
def test_a_fault_of_ours_is_answered_500_and_closes_the_connection(when: str, caplog: pytest.LogCaptureFixture) -> None:
    """One that even the transport does not catch, such as counting on a full disk."""

    class Faulty(Served):
        def begin(self, route: Found, exchange: DirectExchange) -> None:
            async def answer() -> None:
                if when == "after a wait":
                    await asyncio.sleep(0)
                raise ZeroDivisionError

            self.turns.begin(lambda _alone: run(answer(), exchange.fail))

    async def client(connect: Connect) -> None:
        for reader, writer in (await connect(), await connect()):
            writer.write(POST)
            failed = await answer(reader)
            assert (failed.status, failed.headers["connection"]) == (500, "close")
            assert await reader.read() == b""

    served = Faulty()
    served.turns = Turns(lambda: when == "in company")
    served.run(client)
    assert caplog.text.count("answering a request failed") == 2


def test_a_refused_body_is_not_kept() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for extra in (b"content-type: text/plain\r\n", b""):
            writer.write(POST.replace(b"host: x\r\n", b"host: x\r\n" + extra))
            await answer(reader)
            (connection,) = state.connections
            cycle: Any = connection.cycle  # type: ignore[union-attr]
            kept.append(cycle.body)

    kept, state = list[bytes | None](), ServerState()
    assert Served().run(client, state) == ["past", "past"]
    assert kept == [None, None]
