"""What goes to the kernel together, and that nothing of an answer is kept."""

import asyncio
import socket
from collections.abc import Iterable

import pytest
from starlette.types import Receive, Scope, Send

from service.writing import Together
from tests.service.wire import GET, Connect, answer, run

HEAD, CONTINUE = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"


class Kernel(asyncio.Transport):
    """Notes what each call would hand to it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closing()
        self.calls.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        assert not self.is_closing()  # uvloop raises
        self.calls.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return "close" in self.calls

    def close(self) -> None:
        self.calls.append("close")


def written(*pieces: bytes, closed: bool = False) -> list[bytes | str]:
    kernel = Kernel()
    together = Together(kernel)
    for piece in pieces:
        together.write(piece)
    assert not together.is_closing()
    if closed:
        together.close()
        assert together.is_closing()
    return kernel.calls


def test_a_head_goes_with_the_first_of_its_body_and_the_rest_as_it_comes() -> None:
    assert written(HEAD) == []
    assert written(HEAD, b"abc", b"HTTP/1.1 is text too", b"") == [HEAD + b"abc", b"HTTP/1.1 is text too", b""]


def test_a_head_without_a_body_goes_too() -> None:
    assert written(HEAD, b"") == [HEAD]
    assert written(HEAD, closed=True) == [HEAD, "close"]
    assert written(HEAD, b"abc", closed=True) == [HEAD + b"abc", "close"]
    assert written(closed=True) == ["close"]


def test_a_head_whose_client_has_gone_is_let_go() -> None:
    kernel = Kernel()
    together = Together(kernel)
    together.write(HEAD)
    kernel.close()
    together.close()
    assert kernel.calls == ["close", "close"]


def test_a_client_that_asks_whether_to_go_on_is_told_at_once() -> None:
    assert written(CONTINUE) == [CONTINUE]
    assert written(CONTINUE, HEAD, b"abc") == [CONTINUE, HEAD + b"abc"]


async def fails_after_the_head(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    raise ZeroDivisionError


async def nothing(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def chunks(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for chunk in (b"abc", b"", b"de"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_over_a_socket_a_head_does_not_come_before_something_of_the_body() -> None:
    async def in_steps(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        started.set()
        await looked.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": True})  # brings the head of a stream
        came.set()
        await looked_again.wait()
        await send({"type": "http.response.body", "body": b"abc"})

    async def client(connect: Connect) -> None:
        _, other = await connect()
        with socket.create_connection(other.get_extra_info("peername")) as own:
            own.setblocking(False)
            own.sendall(GET)
            await started.wait()
            with pytest.raises(BlockingIOError):
                own.recv(1000)
            looked.set()
            await came.wait()
            assert own.recv(1000).endswith(b"\r\n\r\n")
            looked_again.set()

    started, looked, came, looked_again = (asyncio.Event() for _ in range(4))
    run(client, in_steps)


def test_over_a_socket_every_kind_of_answer_comes_whole() -> None:
    async def whole(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"HEAD / HTTP/1.1\r\n\r\n" + GET)  # whose head is all of its answer
        assert (await reader.readuntil(b"\r\n\r\n")).endswith(b"content-length: 0\r\n\r\n")
        assert (await answer(reader)).plain == (200, b"")
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"abc")
        assert (await answer(reader)).plain == (200, b"abc")

    async def none(connect: Connect) -> None:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")

    async def in_chunks(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        assert b"transfer-encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    async def cut_short(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET)
        assert (await reader.read()).endswith(b"content-length: 3\r\n\r\n")

    run(whole)
    run(none, nothing)
    run(in_chunks, chunks)
    run(cut_short, fails_after_the_head)
