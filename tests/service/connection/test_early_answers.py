"""Over real sockets: heads that were refused before, and what counts before its task runs."""

import asyncio
from collections import Counter

import pytest

from service.http.early_refusal import MOST_KNOWN, Asked, Refusal
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols.problem import render_error
from tests.service.overloaded import BODY, JSON, Served
from tests.service.wire import LIMITS, Connect, answer, run


def _plain(body: bytes, headers: bytes = JSON) -> bytes:
    """A request with a head that many send."""
    return b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(body) + headers + b"\r\n" + body


def _counting_early(served: Served) -> list[Refusal | None]:
    """What `early` gave, which is asked when a head has been read."""
    early, given = served.early.early, list[Refusal | None]()

    def counted(method: bytes, target: bytes, headers: dict[bytes, bytes]) -> Refusal | None:
        given.append(early(method, target, headers))
        return given[-1]

    served.early.early = counted  # type: ignore[method-assign]
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

    run(client, served.app(), early=served.early)
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

    run(client, served.app(), early=served.early)
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

    run(client, served.app(), early=served.early)
    assert len(given) == 3


def test_of_many_heads_the_last_are_known() -> None:
    shedding, numbers = Served().early, range(2 * MOST_KNOWN)
    heads = [b"head %d\r\n\r\n" % number for number in numbers]
    for head in heads:
        refusal = shedding.early(b"POST", b"/echo", {b"content-length": b"4000"})
        assert refusal is not None
        shedding.learn(head + bytes(4000), refusal)
    assert [shedding.again(head + bytes(4000)) is not None for head in heads] == [number >= MOST_KNOWN for number in numbers]
    assert shedding.again(heads[-1] + bytes(3999)) is None


def test_of_what_comes_in_one_turn_no_more_is_let_in_than_there_is_room_for() -> None:
    served, rest = Served(), asyncio.Event()
    clients = 30

    async def slow(_request: Request) -> Response:
        await rest.wait()
        return Response(b"")

    served.transport.add(Route("/slow", "POST", slow, render_error))

    async def client(connect: Connect) -> None:
        opened = [await connect() for _ in range(clients)]
        served.calm()
        for _, writer in opened:
            writer.write(_plain(BODY).replace(b"/echo", b"/slow"))
        answers = [asyncio.ensure_future(answer(reader)) for reader, _ in opened]
        await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        rest.set()
        statuses = Counter([(await each).status for each in answers])
        assert statuses[200] + statuses[429] == clients
        assert 0 < statuses[200] < clients
        assert not served.admission.full

    run(client, served.app(), LIMITS._replace(connections=clients), early=served.early)


class Broken(dict[bytes, Asked]):
    get = None  # type: ignore[assignment]


def test_a_known_head_that_a_fault_of_ours_meets_is_read(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    given = _counting_early(served)
    served.early._known = Broken()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(_plain(b"[]"))
            assert (await answer(reader)).status == 429

    run(client, served.app(), early=served.early)
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
    """What `EarlyRefusal.learn` rests on; the parser could be told to be lenient in each."""
    served = Served()

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\n" + JSON + lines + b"[]")
        assert (await answer(reader)).status == 400

    run(client, served.app(), early=served.early)
    assert not served.reached
