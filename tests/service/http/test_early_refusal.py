"""Over real sockets: what a connection refuses by itself, and what it leaves to the application."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from uvicorn.server import ServerState

from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.security.keys import line, new
from service.telemetry import metrics
from tests.service.overloaded import BODY, JSON, Served
from tests.service.wire import LIMITS, Connect, answer, run


def _post(name: bytes, body: bytes = BODY, headers: bytes = JSON) -> bytes:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\nx-request-id: %b\r\ncontent-length: %d\r\n" % (name, len(body))
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

    run(client, served.app(), early=served.early)
    assert served.reached == [b"third"]
    assert _shed() == [count + 2 for count in before]
    assert served.admission.waiting_bytes == 0


def test_a_model_by_its_name_is_refused_as_early_and_counted_under_the_pattern_of_its_route() -> None:
    served = Served()
    counter = metrics.requests.labels("/models/{name}/predict", "overloaded")
    before = counter._value.get()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for name in (b"walks", b"walks", b"stocks", b"who-knows"):
            writer.write(_post(b"some").replace(b"/echo", b"/models/%b/predict" % name))
            assert (await answer(reader))[0] == 429

    run(client, served.app(), early=served.early)
    assert not served.reached
    assert counter._value.get() == before + 4


def test_a_refusal_does_not_wait_for_the_body() -> None:
    served = Served()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        whole = _post(b"slow")
        writer.write(whole[:-50_000])
        assert (await answer(reader))[0] == 429
        writer.write(whole[-50_000:] + _post(b"next"))
        assert (await answer(reader))[1]["x-request-id"] == "next"

    run(client, served.app(), early=served.early)
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

    run(client, served.app(), limits, early=served.early)


def test_what_a_fault_of_ours_meets_goes_the_usual_way(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    served.early._refusal = None  # type: ignore[assignment,method-assign]

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(_post(b"unlucky", b"[]"))
        assert (await answer(reader))[0] == 429

    run(client, served.app(), early=served.early)
    assert served.reached == [b"unlucky"]
    assert "refusing early failed" in caplog.text


def test_pipelined_requests_are_refused_in_their_order() -> None:
    served = Served()
    names = [f"{number}" for number in range(20)]

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"".join(_post(name.encode(), b"[]") for name in names))
        found = [await answer(reader) for _ in names]
        assert [(status, headers["x-request-id"]) for status, headers, _ in found] == [(429, name) for name in names]

    run(client, served.app(), early=served.early)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_post(b"a page's", headers=JSON + b"origin: https://elsewhere\r\n"), 429),
        (_post(b"the last", b"[]", JSON + b"connection: close\r\n"), 429),
        (_post(b"asking first", b"[]", JSON + b"expect: 100-continue\r\n"), 429),
        (_post(b"another content", headers=b"content-type: text/plain\r\n"), 415),
        (_post(b"no deadline", headers=JSON + b"x-request-timeout-ms: soon\r\n"), 400),
        (_post(b"too large", b"x" * 200_001), 413),
        (
            b"POST /echo HTTP/1.1\r\nhost: x\r\nx-request-id: chunked\r\ntransfer-encoding: chunked\r\n"
            + JSON
            + b"\r\n0\r\n\r\n",
            429,
        ),
        (b"POST /echo HTTP/1.0\r\nx-request-id: old\r\ncontent-length: 2\r\n" + JSON + b"\r\n[]", 429),
        (b"GET /echo HTTP/1.1\r\nhost: x\r\nx-request-id: get\r\n\r\n", 405),
        (b"POST /other HTTP/1.1\r\nhost: x\r\nx-request-id: other\r\ncontent-length: 0\r\n\r\n", 404),
    ],
    ids=lambda value: value.partition(b"x-request-id: ")[2].split(b"\r\n")[0].decode() if isinstance(value, bytes) else "",
)
def test_what_others_have_a_say_in_goes_the_usual_way(request_: bytes, status: int) -> None:
    served = Served()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(request_)
        assert (await answer(reader))[0] == status

    run(client, served.app(), early=served.early)
    assert len(served.reached) == 1


def test_only_who_may_get_in_is_told_that_too_much_waits(tmp_path: Path) -> None:
    secret, key = new("known", ["predict"], None, None, None)
    (tmp_path / "keys").write_text(line(key) + "\n")
    served = Served(Guard(tmp_path / "keys", KeyRates(tmp_path)))

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(_post(b"stranger", headers=JSON + b"x-api-key: wrong\r\n"))
        assert (await answer(reader))[0] == 401
        writer.write(_post(b"known", headers=JSON + f"x-api-key: {secret}\r\n".encode()))
        assert (await answer(reader))[0] == 429

    run(client, served.app(), early=served.early)
    assert served.reached == [b"stranger"]


def test_once_it_drains_every_request_goes_the_usual_way() -> None:
    served = Served()
    served.transport.answer_through_asgi()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(_post(b"late"))
        assert (await answer(reader))[0] == 429

    run(client, served.app(), early=served.early)
    assert served.reached == [b"late"]


def test_a_refusal_that_is_held_when_the_server_ends_is_still_sent() -> None:
    served, state = Served(), ServerState()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        held: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        served.early.hold = held.put_nowait  # type: ignore[assignment]
        writer.write(_post(b"held", b"[]"))
        release = await held.get()
        for connection in list(state.connections):
            connection.shutdown()
        release()
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (429, "close")
        assert await reader.read() == b""

    run(client, served.app(), early=served.early, state=state)
