"""Over real sockets: what a connection refuses by itself, and what it leaves to the application."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from service import metrics
from service.admission import WINDOW, Admission
from service.guard import Guard
from service.keys import line, new
from service.protocols.native import render_error
from service.rates import Allowance, Rates
from service.routes import Request, Response, Route
from service.shedding import MOST_KNOWN, Refusal, Shedding
from service.transport import Limits
from tests.service.asgi import OPEN, untraced
from tests.service.clock import Clock
from tests.service.wire import LIMITS, Connect, answer, run

BODY = b"x" * 100_000
JSON = b"content-type: application/json\r\n"


class Served:
    """An application that echoes, where `waiting` requests of a kilobyte wait for longer than may be."""

    def __init__(self, guard: Guard = OPEN) -> None:
        clock = Clock()
        self.admission = Admission(most_bytes=10**9, most_seconds=0.5, clock=clock)
        self.waiting = 1_000
        for _ in range(self.waiting + 1):
            self.admission.enter(1_000)
            self.admission.hold(1_000)
            self.admission.arrive(1_000)
        clock.now += 2 * WINDOW
        self.admission.leave(1_000)
        limits = Limits(body_bytes=200_000, body_seconds=30, timeout=10, most_timeout=60)
        self.transport = untraced(limits, self.admission, guard)
        self.shedding = self.transport.shedding
        self.reached: list[bytes] = []  # the ids of the requests that the application saw
        self.transport.add(Route("/echo", "POST", _echo, render_error))

    def app(self) -> ASGIApp:
        ours = self.transport.around(_nothing, [])

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            self.reached.append(dict(scope["headers"]).get(b"x-request-id", b""))
            await ours(scope, receive, send)

        return noting

    def calm(self) -> None:
        """All that waited is answered."""
        for _ in range(self.waiting):
            self.admission.leave(1_000)


async def _echo(request: Request) -> Response:
    return Response(request.body)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError


def _post(name: bytes, body: bytes = BODY, headers: bytes = JSON) -> bytes:
    head = b"POST /echo HTTP/1.1\r\nx-request-id: %b\r\ncontent-length: %d\r\n" % (name, len(body))
    return head + headers + b"\r\n" + body


def _shed() -> list[float]:
    """As both metrics have it."""
    counters = metrics.shed.labels("time"), metrics.requests.labels("/echo", "overloaded")
    return [counter._value.get() for counter in counters]


def test_a_refusal_comes_before_the_application_and_its_body_is_dropped() -> None:
    served = Served()
    before = _shed()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for name in (b"first", b"second"):
            writer.write(_post(name))
            status, headers, body = await answer(reader)
            assert (status, headers["x-request-id"], headers["retry-after"]) == (429, name.decode(), "200")
            assert json.loads(body)["reason"] == "time"
        served.calm()
        writer.write(_post(b"third", b"[]"))
        assert (await answer(reader))[::2] == (200, b"[]")

    run(client, served.app(), shedding=served.shedding)
    assert served.reached == [b"third"]
    assert _shed() == [count + 2 for count in before]
    assert served.admission.waiting_bytes == 0


def _plain(body: bytes, headers: bytes = JSON) -> bytes:
    """A request with a head that many send."""
    return b"POST /echo HTTP/1.1\r\ncontent-length: %d\r\n" % len(body) + headers + b"\r\n" + body


def _counting_early(served: Served) -> list[Refusal | None]:
    """What `early` gave, which is asked when a head has been read."""
    early, given = served.shedding.early, list[Refusal | None]()

    def counted(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
        given.append(early(method, target, headers))
        return given[-1]

    served.shedding.early = counted  # type: ignore[method-assign]
    return given


def test_a_head_that_was_refused_is_not_read_again_and_is_answered_as_ever() -> None:
    served = Served()
    given = _counting_early(served)

    async def client(connect: Connect) -> None:
        answers = []
        for _ in range(2):
            reader, writer = await connect()
            for body in (b"x" * 3000, b"y" * 3000):
                writer.write(_plain(body))
                answers.append(await answer(reader))
        assert len(given) == 1
        assert {(status, *headers) for status, headers, _ in answers} == {(429, *answers[0].headers)}
        assert len({headers["x-request-id"] for _, headers, _ in answers}) == 4
        writer.write(_plain(b"z" * 3000) + _plain(b"z" * 3000))  # two at once
        assert [(await answer(reader)).status for _ in range(2)] == [429, 429]
        writer.write(_plain(b"z" * 3000)[:-100])
        assert (await answer(reader)).status == 429
        served.calm()
        writer.write(b"z" * 100 + _plain(b"[]"))
        assert (await answer(reader)).plain == (200, b"[]")

    run(client, served.app(), shedding=served.shedding)
    assert served.admission.waiting_bytes == 0


def test_blank_lines_behind_a_refused_request_are_no_request() -> None:
    served = Served()
    given = _counting_early(served)

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(_plain(b""))
            assert (await answer(reader)).status == 429
            writer.write(b"\r\n\r\n")
        served.calm()
        writer.write(_plain(b"[]"))
        assert (await answer(reader)).plain == (200, b"[]")

    run(client, served.app(), shedding=served.shedding)
    assert all(given)


@pytest.mark.parametrize("header", [b"x-request-id: 1", b"Authorization: Bearer x", b"X-API-Key: x", b"cookie: a=b"])
def test_a_head_with_a_secret_or_an_id_is_not_kept(header: bytes) -> None:
    served = Served()
    given = _counting_early(served)

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(_plain(b"[]" * 2000, JSON + header + b"\r\n"))
            assert (await answer(reader)).status == 429

    run(client, served.app(), shedding=served.shedding)
    assert len(given) == 3


def test_of_many_heads_the_last_are_known() -> None:
    shedding, numbers = Served().shedding, range(2 * MOST_KNOWN)
    heads = [b"head %d\r\n\r\n" % number for number in numbers]
    for head in heads:
        refusal = shedding.early(b"POST", b"/echo", [(b"content-length", b"4000")])
        assert refusal is not None
        shedding.learn(head + bytes(4000), refusal)
    assert [shedding.again(head + bytes(4000)) is not None for head in heads] == [number >= MOST_KNOWN for number in numbers]
    assert shedding.again(heads[-1] + bytes(3999)) is None


@pytest.mark.parametrize("overload", [True, False])
def test_in_an_overload_a_body_counts_before_its_task_runs(overload: bool) -> None:
    """All of these are read in one turn of the loop: those that find no room are refused without a task. Where there was no
    overload each has its task, for what has come may yet be nobody's work."""
    served, rest = Served(), asyncio.Event()
    clients = 30

    async def slow(_request: Request) -> Response:
        await rest.wait()
        return Response(b"")

    served.transport.add(Route("/slow", "POST", slow, render_error))

    async def client(connect: Connect) -> None:
        opened = [await connect() for _ in range(clients)]
        if overload:
            opened[0][1].write(_plain(BODY))
            assert (await answer(opened[0][0])).status == 429
        served.calm()
        for _, writer in opened:
            writer.write(_plain(BODY).replace(b"/echo", b"/slow"))
        answers = [asyncio.ensure_future(answer(reader)) for reader, _ in opened]
        await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        rest.set()
        statuses = Counter([(await each).status for each in answers])
        assert statuses[200] + statuses[429] == clients
        assert 0 < statuses[200] < clients
        assert len(served.reached) == (statuses[200] if overload else clients)
        assert not served.shedding.full

    run(client, served.app(), LIMITS._replace(connections=clients), shedding=served.shedding)


def test_a_refusal_does_not_wait_for_the_body() -> None:
    served = Served()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        whole = _post(b"slow")
        writer.write(whole[:-50_000])
        assert (await answer(reader))[0] == 429
        writer.write(whole[-50_000:] + _post(b"next"))
        assert (await answer(reader))[1]["x-request-id"] == "next"

    run(client, served.app(), shedding=served.shedding)
    assert not served.reached


def test_a_connection_whose_body_came_after_its_refusal_may_idle() -> None:
    served = Served()
    limits = LIMITS._replace(header_seconds=0.3)

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        whole = _post(b"slow")
        writer.write(whole[:-50_000])
        assert (await answer(reader))[0] == 429
        writer.write(whole[-50_000:])
        ended = asyncio.ensure_future(reader.read(1))
        assert not (await asyncio.wait([ended], timeout=0.9))[0]
        ended.cancel()

    run(client, served.app(), limits, shedding=served.shedding)


def test_what_a_fault_of_ours_meets_goes_the_usual_way(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    served.shedding.early = None  # type: ignore[method-assign,assignment]

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(_post(b"unlucky", b"[]"))
        assert (await answer(reader))[0] == 429

    run(client, served.app(), shedding=served.shedding)
    assert served.reached == [b"unlucky"]
    assert "refusing early failed" in caplog.text


def test_a_known_head_that_a_fault_of_ours_meets_is_read(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    given = _counting_early(served)
    served.shedding.again = None  # type: ignore[method-assign,assignment]

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(_plain(b"[]"))
            assert (await answer(reader)).status == 429

    run(client, served.app(), shedding=served.shedding)
    assert len(given) == 2
    assert "refusing again failed" in caplog.text


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 2\n\n",
        b"content-length: 2\r\n\n",
        b"content-length: 2\r\n\rx",
        b"content-length: 2\r\ncontent-length: 2\r\n\r\n",
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_nothing_but_a_blank_line_and_one_length_says_where_a_request_ends(lines: bytes) -> None:
    """What `Shedding.learn` rests on; the parser could be told to be lenient in each."""
    served = Served()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /echo HTTP/1.1\r\n" + JSON + lines + b"[]")
        assert (await answer(reader)).status == 400

    run(client, served.app(), shedding=served.shedding)
    assert not served.reached


def test_pipelined_requests_are_refused_in_their_order() -> None:
    served = Served()
    names = [f"{number}" for number in range(20)]

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"".join(_post(name.encode(), b"[]") for name in names))
        found = [await answer(reader) for _ in names]
        assert [(status, headers["x-request-id"]) for status, headers, _ in found] == [(429, name) for name in names]

    run(client, served.app(), shedding=served.shedding)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_post(b"a page's", headers=JSON + b"origin: https://elsewhere\r\n"), 429),
        (_post(b"the last", b"[]", JSON + b"connection: close\r\n"), 429),
        (_post(b"asking first", b"[]", JSON + b"expect: 100-continue\r\n"), 429),
        (_post(b"another content", headers=b"content-type: text/plain\r\n"), 415),
        (_post(b"no deadline", headers=JSON + b"x-request-timeout-ms: soon\r\n"), 400),
        (_post(b"too large", b"x" * 200_001), 413),
        (b"POST /echo HTTP/1.1\r\nx-request-id: chunked\r\ntransfer-encoding: chunked\r\n" + JSON + b"\r\n0\r\n\r\n", 429),
        (b"POST /echo HTTP/1.0\r\nx-request-id: old\r\ncontent-length: 2\r\n" + JSON + b"\r\n[]", 429),
        (b"GET /echo HTTP/1.1\r\nx-request-id: get\r\n\r\n", 405),
        (b"POST /other HTTP/1.1\r\nx-request-id: other\r\ncontent-length: 0\r\n\r\n", 404),
    ],
    ids=lambda value: value.partition(b"x-request-id: ")[2].split(b"\r\n")[0].decode() if isinstance(value, bytes) else "",
)
def test_what_others_have_a_say_in_goes_the_usual_way(request_: bytes, status: int) -> None:
    served = Served()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(request_)
        assert (await answer(reader))[0] == status

    run(client, served.app(), shedding=served.shedding)
    assert len(served.reached) == 1


def test_only_who_may_get_in_is_told_that_too_much_waits(tmp_path: Path) -> None:
    secret, key = new("known", ["predict"], None, None, None)
    (tmp_path / "keys").write_text(line(key) + "\n")
    served = Served(Guard(tmp_path / "keys", Rates(tmp_path)))

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(_post(b"stranger", headers=JSON + b"x-api-key: wrong\r\n"))
        assert (await answer(reader))[0] == 401
        writer.write(_post(b"known", headers=JSON + f"x-api-key: {secret}\r\n".encode()))
        assert (await answer(reader))[0] == 429

    run(client, served.app(), shedding=served.shedding)
    assert served.reached == [b"stranger"]


def test_once_it_drains_every_request_goes_the_usual_way() -> None:
    served = Served()
    served.shedding.stop()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(_post(b"late"))
        assert (await answer(reader))[0] == 429

    run(client, served.app(), shedding=served.shedding)
    assert served.reached == [b"late"]


def _held(shedding: Shedding, names: str) -> asyncio.Queue[str]:
    """Where the names come as they are let go."""
    gone: asyncio.Queue[str] = asyncio.Queue()
    for name in names:
        shedding.hold(partial(gone.put_nowait, name))
    return gone


def test_of_very_many_refusals_each_waits_its_turn() -> None:
    async def client() -> None:
        clock, shedding = Clock(), Served().shedding
        shedding._turns = Allowance(2.0, clock)
        gone = _held(shedding, "abc")
        assert [await gone.get(), await gone.get()] == ["a", "b"]
        assert gone.empty()
        clock.now += 1.0
        assert await gone.get() == "c"

    asyncio.run(asyncio.wait_for(client(), 30))


def test_no_refusal_is_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.shedding.MOST_HOLD_SECONDS", 0.01)

    async def client() -> None:
        shedding = Served().shedding
        shedding._turns = Allowance(1.0, Clock())
        gone = _held(shedding, "abc")
        assert [await gone.get() for _ in "abc"] == ["a", "b", "c"]

    asyncio.run(asyncio.wait_for(client(), 30))


def test_a_refusal_that_is_held_when_the_server_ends_is_still_sent() -> None:
    served, state = Served(), ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        held: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        served.shedding.hold = held.put_nowait  # type: ignore[method-assign,assignment]
        writer.write(_post(b"held", b"[]"))
        release = await held.get()
        for connection in list(state.connections):
            connection.shutdown()
        release()
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (429, "close")
        assert await reader.read() == b""

    run(client, served.app(), shedding=served.shedding, state=state)
