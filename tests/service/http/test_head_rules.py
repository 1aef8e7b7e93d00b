"""Each rule over real sockets: on the direct way, through uvicorn's, and in single bytes."""

import asyncio
import json

import pytest

from service.http.head_rules import MOST_USUAL, HeadRules, host_name
from service.http.messages import Request, Response
from service.http.routes import Route
from service.overload.admission import Admission
from service.protocols.problem import render_error
from service.token_bucket import TokenBucket
from tests.service import wire
from tests.service.asgi import LIMITS, untraced
from tests.service.wire import Connect, answer

HOST = b"host: x\r\n"
HEAD = b"POST /echo HTTP/1.1\r\n"


async def echo(request: Request) -> Response:
    return Response(request.body)


def asked(raw: bytes, rules: HeadRules | None = None, apart: bool = False) -> tuple[int, str]:
    """The status and the kind of error; the connection ends behind an error of these rules."""
    told: list[tuple[int, str]] = []

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        for at in range(len(raw)) if apart else (slice(None),):
            writer.write(raw[at : at + 1] if isinstance(at, int) else raw[at])
            await asyncio.sleep(0)
        status, _, body = await answer(reader)
        told.append((status, json.loads(body)["type"].removeprefix("urn:unroll:error:") if status != 200 else ""))
        if status in (400, 421, 501, 505):
            assert await reader.read() == b""

    transport = untraced(LIMITS, Admission(10_000, 10.0))
    transport.add(Route("/echo", "POST", echo, render_error), Route("/livez", "GET", echo, render_error))
    wire.run(client, transport.around(untaken, []), direct=transport, rules=rules)
    return told[0]


def test_who_speaks_tls_to_a_plain_port_is_told_of_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.head_rules._told_of_tls", TokenBucket(1.0, lambda: 0.0))
    for _ in range(2):
        assert asked(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") == (400, "not-http")
    (said,) = caplog.messages
    assert said.endswith("expected plain HTTP on this port; received TLS. Type http:// in place of https://.")


async def untaken(*_: object) -> None:
    raise AssertionError("not for BentoML")


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "in single bytes"])
@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (HEAD + HOST, (200, "")),
        (HEAD + b"Host: [::1]:3000\r\n", (200, "")),
        (HEAD + b"host: \t a_b.Example.:80 \r\n", (200, "")),
        (HEAD + HOST + b"a: b\r\na: c\r\n", (200, "")),
        (HEAD, (400, "wrong-host")),
        (HEAD + HOST * 2, (400, "wrong-host")),
        (HEAD + b"host: \r\n", (400, "wrong-host")),
        (HEAD + b"host: a b\r\n", (400, "wrong-host")),
        (HEAD + b"host: u@x\r\n", (400, "wrong-host")),
        (HEAD + b"host: http://x\r\n", (400, "wrong-host")),
        (HEAD + b"host: x:http\r\n", (400, "wrong-host")),
        (HEAD + b"host: x\xff\r\n", (400, "wrong-host")),
        (HEAD + b"host: [:::]\r\n", (400, "wrong-host")),
        (b"POST http://u@x/echo HTTP/1.1\r\n" + HOST, (400, "wrong-host")),
        (b"POST http://x/echo HTTP/1.1\r\n" + HOST, (200, "")),
        (b"POST /echo HTTP/1.0\r\n", (200, "")),
        (b"POST /echo HTTP/1.0\r\n" + HOST * 2, (400, "wrong-host")),
        (b"POST /echo HTTP/0.9\r\n" + HOST, (505, "wrong-http-version")),
        (b"POST /echo\r\n" + HOST, (505, "wrong-http-version")),
        (b"POST /echo HTTP/2.0\r\n" + HOST, (505, "wrong-http-version")),
        (b"POST /echo HTTP/3.0\r\n" + HOST, (505, "wrong-http-version")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n", (505, "wrong-http-version")),
        (b"OPTIONS rtsp://x/ RTSP/1.0\r\n", (400, "not-http")),
        (b"OPTIONS * RTSP/1.0\r\ncseq: 1\r\n", (400, "not-http")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", (400, "not-http")),
    ],
)
def test_a_head_that_rfc_9112_refuses_is_refused(head: bytes, expected: tuple[int, str], apart: bool) -> None:
    assert asked(head + b"content-length: 3\r\n\r\nabc", apart=apart) == expected


@pytest.mark.parametrize("line", [b"OPTIONS * RTSP/1.0", b"POST /echo RTSP/1.1", b"\r\nGET / RTSP/1.0"])
def test_a_request_of_rtsp_is_not_taken_for_one_of_http(line: bytes) -> None:
    assert asked(line + b"\r\n" + HOST + b"\r\n") == (400, "not-http")


@pytest.mark.parametrize("body", [b"POST /echo RTSP/1.0", b"OPTIONS * RTSP/1.0\r\n"])
def test_a_body_may_speak_of_rtsp(body: bytes) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(HEAD + HOST + b"content-length: %d\r\n\r\n" % len(body))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(body)
        assert (await answer(reader)).plain == (200, body)

    wire.run(client)


@pytest.mark.parametrize(
    ("version", "coding", "expected"),
    [
        (b"1.1", b"chunked", (200, "")),
        (b"1.1", b"Chunked", (200, "")),
        (b"1.1", b"gzip", (501, "unknown-transfer-coding")),
        (b"1.1", b"gzip, chunked", (501, "unknown-transfer-coding")),
        (b"1.1", b"chunked, gzip", (501, "unknown-transfer-coding")),
        (b"1.1", b"chunked\r\ntransfer-encoding: chunked", (501, "unknown-transfer-coding")),
        (b"1.1", b"identity", (501, "unknown-transfer-coding")),
        (b"1.1", b"chunked;q=1", (501, "unknown-transfer-coding")),
        (b"1.1", b"", (501, "unknown-transfer-coding")),
        (b"1.1", b"chunked\r\ncontent-length: 3", (400, "not-http")),
        (b"1.0", b"chunked", (400, "not-http")),
    ],
)
def test_chunked_is_the_only_transfer_coding(version: bytes, coding: bytes, expected: tuple[int, str]) -> None:
    head = b"POST /echo HTTP/%b\r\n%btransfer-encoding: %b\r\n\r\n" % (version, HOST, coding)
    assert asked(head + b"3\r\nabc\r\n0\r\n\r\n") == expected


@pytest.mark.parametrize(("version", "told"), [(b"1.0", b"HTTP/1.1 200 "), (b"1.1", b"HTTP/1.1 100 ")])
def test_a_client_of_http_1_0_is_never_told_to_continue(version: bytes, told: bytes) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/%b\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc" % version)
        assert (await reader.readline()).startswith(told)

    wire.run(client)


def test_a_client_is_not_told_to_continue_behind_a_refusal() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        assert (await answer(reader)).status == 400
        assert await reader.read() == b""

    wire.run(client)


def local(address: str = "127.0.0.1", allowed: tuple[str, ...] = (), keys: bool = False) -> HeadRules:
    rules = HeadRules(allowed)
    rules.listen_on(address, keys)
    return rules


def status(host: bytes, rules: HeadRules, line: bytes = HEAD) -> int:
    return asked(line + b"host: " + host + b"\r\ncontent-length: 3\r\n\r\nabc", rules)[0]


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:3000", b"[::1]:80", b"LOCALHOST:1", b"localhost."])
def test_on_loopback_without_keys_this_machine_may_be_named(host: bytes) -> None:
    assert status(host, local()) == 200


@pytest.mark.parametrize("host", [b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example:3000", b"10.0.0.1"])
def test_on_loopback_without_keys_no_other_name_is_answered(host: bytes) -> None:
    """DNS rebinding: a page's own name leads to this machine."""
    assert status(host, local()) == 421
    assert status(b"localhost", local(), b"POST http://%b/echo HTTP/1.1\r\n" % host) == 421
    assert status(host, local(), b"GET /livez HTTP/1.1\r\n") == 200  # says nothing but yes or no
    assert status(host, local(keys=True)) == status(host, local("0.0.0.0")) == status(host, local("/run/x")) == 200


def test_the_error_names_the_setting_and_the_setting_decides() -> None:
    error = local().fault("1.1", b"/echo", [(b"host", b"evil.example")])
    assert error is not None
    assert "UNROLL_ALLOWED_HOSTS allows; received evil.example" in error.detail
    for address in ("127.0.0.1", "0.0.0.0"):
        rules = local(address, ("Unroll.example.", "[::2]"), keys=True)
        assert [status(host, rules) for host in (b"unroll.example:1", b"[::2]", b"localhost")] == [200, 200, 421]
    assert status(b"evil.example", local(allowed=("*",))) == 200
    assert status(b"127.1.2.3", local("127.1.2.3")) == 200


def test_few_hosts_are_remembered() -> None:
    rules = HeadRules()
    for number in range(10 * MOST_USUAL):
        assert rules.fault("1.1", b"/", [(b"host", b"%d.example" % number)]) is None
        assert 0 < len(rules.usual_hosts) <= MOST_USUAL
    assert rules.fault("1.1", b"/", [(b"host", b"x" * 1000)]) is None
    assert b"x" * 1000 not in rules.usual_hosts


def test_a_name_is_without_port_and_case() -> None:
    assert [host_name(host) for host in (b"A.b:1", b"[::1]", b" x\t", b"%41", b".", b"", b":1")] == [
        *("a.b", "[::1]", "x", "%41", None, None, None)
    ]
