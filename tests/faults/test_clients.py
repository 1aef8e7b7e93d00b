"""Clients that mean no good, or know no better: slow, huge, many."""

import asyncio
import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from benchmarks.servers.payloads import rows_body
from tests.asking import PATIENCE
from tests.faults.conftest import Report
from tests.faults.service import ROWS, Service, nobody_notices, request, title, under_load

STORM = 1000


def connect(service: Service, receive_buffer: int | None = None) -> socket.socket:
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", service.port))
    return client


@contextmanager
def connections(service: Service, number: int, receive_buffer: int | None = None) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(connect(service, receive_buffer)) for _ in range(number)]


def is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return b"content-length: %d" % len(body) in head.lower().split(b"\r\n")


def read(client: socket.socket) -> bytes:
    """One answer; what came until then when the connection ends."""
    answer = b""
    while b"\r\n\r\n" not in answer and (more := client.recv(65536)):
        answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    while len(body) < int(lengths[0] if lengths else 0) and (more := client.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body


def test_slow_readers_are_waited_for_and_get_their_whole_answer(service: Service, report: Report) -> None:
    large = rows_body(5000)
    with under_load(service) as load, connections(service, 20, receive_buffer=4096) as slow:
        load.begin_fault()
        for client in slow:  # no answer of them is read before all have been asked for
            client.sendall(request(large))
        load.goes_on(100)
        answers = [read(client) for client in slow]
        load.goes_on()
    assert all(o.status in (200, 429) for o in load.outcomes)
    assert load.toll.wrong == 0
    assert all(answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 429 ")) and is_whole(answer) for answer in answers)
    assert any(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    report("20 slow readers of large answers", load, load.failing_seconds)


def test_trickling_headers_hold_their_own_connection_only(service: Service, report: Report) -> None:
    with under_load(service) as load, connections(service, 200) as slow:
        load.begin_fault()
        whole, sent = request(rows_body(ROWS)), 3
        for at in range(sent):
            for client in slow:
                client.sendall(whole[at : at + 1])
            load.goes_on(20)
        for client in slow[:100]:
            client.sendall(whole[sent:])
        statuses = {read(client)[:12] for client in slow[:100]}
        endings = {read(client) for client in slow[100:]}  # they never come to an end, so the service makes one
        load.goes_on()
    assert statuses <= {b"HTTP/1.1 200", b"HTTP/1.1 429"}
    assert not any(ending.startswith(b"HTTP/1.1 200") for ending in endings)
    nobody_notices(load)
    report(
        "200 connections trickling headers",
        load,
        load.failing_seconds,
        "closed after `UNROLL_HEADER_SECONDS`",
    )


MOST_BYTES = 8 * 2**20


def test_trickling_bodies_are_answered_408(service: Service, report: Report) -> None:
    body = rows_body(ROWS)
    with under_load(service) as load, connections(service, 200) as slow:
        load.begin_fault()
        for client in slow:
            client.sendall(request(body[:5], length=MOST_BYTES))  # announced, which must keep nobody out
        load.goes_on()
        for client in slow:
            client.sendall(body[5:6])
        answers = [read(client) for client in slow]
    assert {title(answer) for answer in answers} == {"slow-body"}
    nobody_notices(load)
    report("200 connections trickling bodies of 8 MiB", load, load.failing_seconds, "answered 408")


@pytest.mark.parametrize(
    ("what", "sent", "kind"),
    [
        ("announced", request(b"[", length=10**12), "body-too-large"),
        ("compressed", request(gzip.compress(bytes(2**26)), "content-encoding: gzip\r\n"), "body-too-large"),
        ("deep", request(b"[" * 100_000), "invalid-request"),
        ("many", request(b'{"sequences": [' + b"[0]," * 20_000 + b"[0]]}"), "too-many-values"),
    ],
)
def test_what_is_too_much_is_refused_with_its_reason(service: Service, what: str, sent: bytes, kind: str) -> None:
    with connect(service) as client:
        client.sendall(sent)
        assert title(read(client)) == kind


def test_huge_bodies_from_everywhere_are_cut_off(service: Service, report: Report) -> None:
    chunk = b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n"
    with under_load(service) as load, connections(service, 8) as clients:
        load.begin_fault()
        before = service.gauge("unroll_resident_bytes")
        for client in clients:
            client.sendall(request().replace(b"content-length: 0", b"transfer-encoding: chunked"))
        for _ in range(9):  # a megabyte beyond what is allowed
            for client in clients:
                client.sendall(chunk)
        kinds = [title(read(client)) for client in clients]
        load.goes_on()
        after = service.gauge("unroll_resident_bytes")
    assert set(kinds) <= {"body-too-large", "overloaded"}
    assert "body-too-large" in kinds
    assert set(load.statuses) <= {200, 429}
    assert load.toll.wrong == 0
    note = f"answered 413; memory of the workers grew by {max(0.0, after - before) / 1e6:.0f} MB"
    report("8 bodies of 9 MiB, of unknown length, 8 MiB allowed", load, load.failing_seconds, note)


def test_a_thousand_connections_at_once_are_all_answered_right(service: Service, report: Report) -> None:
    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        try:
            writer.write(request(rows_body(ROWS), "connection: close\r\n"))
            return await reader.read()
        finally:
            writer.close()

    async def storm() -> list[bytes]:
        return await asyncio.gather(*(one() for _ in range(STORM)))

    with under_load(service) as load:
        load.begin_fault()
        expected = service.answer
        answers = asyncio.run(storm())
        took = time.monotonic() - load.fault_at
        load.goes_on()
    right = sum(answer.partition(b"\r\n\r\n")[2] == expected for answer in answers)
    shed = sum(answer.startswith(b"HTTP/1.1 429") for answer in answers)
    assert right + shed == STORM
    assert set(load.statuses) <= {200, 429}
    assert load.toll.wrong == 0
    note = f"{right} right, {shed} told to come back, within {took:.1f} s"
    report(f"{STORM} connections at once", load, load.failing_seconds, note)
