"""Requests that offer an upgrade, over real sockets: none is taken."""

import asyncio

import httptools
import pytest

from service.connection.declined_upgrades import DeclinedUpgrades, framing
from tests.service.wire import GET, Connect, answer, run


def test_an_upgrade_is_not_taken_and_its_request_answered_as_any_other() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n"
        )
        assert (await answer(reader)).plain == (200, b"")
        writer.write(GET)
        assert (await answer(reader)).plain == (200, b"")

    run(client)


@pytest.mark.parametrize("lines", [b"content-length: 3\r\n\r\nabc", b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"])
@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "head and body apart"])
def test_the_body_of_a_request_that_offers_an_upgrade_is_its_body(lines: bytes, apart: bool) -> None:
    """As Java's `HttpClient` sends its first one."""

    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        offer = (
            b"POST / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
        )
        for _ in range(2):
            head, body = (offer + lines).split(b"\r\n\r\n", 1)
            writer.write(head + b"\r\n\r\n")
            if apart:
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(body + GET)
            assert (await answer(reader)).plain == (200, b"abc")
            assert (await answer(reader)).plain == (200, b"")

    run(client)


@pytest.mark.parametrize(
    ("lines", "status"),
    [(b"content-length: 0 \r\n", 200), (b"content-length: \t00\t\r\n", 200), (b"transfer-encoding: gzip\r\n", 501)],
)
def test_however_a_request_that_offers_an_upgrade_states_its_body_it_is_answered(lines: bytes, status: int) -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n" + lines + b"\r\n")
        assert (await answer(reader)).status == status

    run(client)


def test_a_thousand_requests_that_offer_an_upgrade_may_come_in_one_piece() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n" * 1000)
        assert {(await answer(reader)).plain for _ in range(1000)} == {(200, b"")}

    run(client)


def test_a_request_without_a_body_that_offers_an_upgrade_is_followed_by_the_next() -> None:
    async def client(connect: Connect) -> None:
        reader, writer = await connect()
        offer = b"connection: upgrade\r\nupgrade: h2c\r\n"
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n" + offer + b"\r\n" + GET)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n" + offer + b"content-length: 0\r\n\r\n" + GET)
        assert [(await answer(reader)).plain for _ in range(4)] == [(200, b"")] * 4

    run(client)


class Callbacks:
    """Notes what the parser reports."""

    def __init__(self) -> None:
        self.parser, self.told = httptools.HttpRequestParser(self), list[bytes]()

    def on_message_begin(self) -> None:
        self.told.append(b"begin")

    def on_url(self, url: bytes) -> None:
        self.told.append(url)

    def on_header(self, _name: bytes, _value: bytes) -> None:
        pass

    def on_headers_complete(self) -> None:
        pass

    def on_body(self, body: bytes) -> None:
        self.told.append(body)

    def on_message_complete(self) -> None:
        self.told.append(b"end")


def test_behind_a_declined_upgrade_come_its_body_and_the_next_request() -> None:
    upgrades, connection = DeclinedUpgrades(), Callbacks()
    upgrades.head_ends([(b"upgrade", b"h2c"), (b"content-length", b"3")])
    assert upgrades.framing
    assert upgrades.go_on(connection, memoryview(b"abcGET /next HTTP/1.1\r\nhost: x\r\n\r\n"))
    assert not upgrades.framing
    assert connection.told == [b"abc", b"end", b"begin", b"/next", b"end"]


def test_a_body_that_cannot_be_is_not_http() -> None:
    upgrades = DeclinedUpgrades()
    upgrades.head_ends([(b"transfer-encoding", b"chunked")])
    assert not upgrades.go_on(Callbacks(), memoryview(b"no chunk\r\n"))


def test_no_body_is_announced_by_a_length_of_nothing() -> None:
    assert framing([(b"content-length", b" 00 ")]) == b""
    assert framing([(b"host", b"x")]) == b""
    assert framing([(b"content-length", b"3")]) == b"content-length: 3\r\n"
