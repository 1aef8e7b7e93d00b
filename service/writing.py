"""An answer as bytes; and its head and the first of its body in one call of the kernel and one packet. asyncio.

uvicorn writes them one after the other, and uvloop hands each at once to the kernel: the client is woken for a head
without a body, and then again. ASGI lets a server keep the head until there is something of the body.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.routes import Response

CONTINUE: Final = b"HTTP/1.1 100 "


def written(response: Response, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """As it goes over the wire, `headers` before its own."""
    return head_written(response, headers) + response.body


def head_written(response: Response, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What of it comes before its body."""
    lines = [b"%b: %b\r\n" % header for header in (*headers, *response.head)]
    return b"".join((STATUS_LINE[response.status], *lines, b"\r\n"))


class Together:
    """What a uvicorn cycle writes to in place of `transport`: an answer that has a body, be it an empty one.

    It has all that a cycle of uvicorn 0.54 uses of a transport; one that asks for more fails at every request.
    """

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""  # while it is kept
        self._begun = False  # it has been sent

    def write(self, data: bytes) -> None:
        if self._begun:
            self._transport.write(data)
        elif self._head:
            self._send(data)
        elif data.startswith(CONTINUE):  # the head of no answer
            self._transport.write(data)
        else:
            self._head = data

    def write_whole(self, head: bytes, body: bytes) -> None:
        self._begun = True
        self._transport.writelines((head, body))

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._head and not self._transport.is_closing():  # uvloop raises where it is
            self._send(b"")
        self._transport.close()

    def _send(self, data: bytes) -> None:
        head, self._head, self._begun = self._head, b"", True
        if data:
            self._transport.writelines((head, data))
        else:
            self._transport.write(head)
