"""A request as protocols see it, a response, and the response as bytes."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.errors import UnrollError
from service.request_context import Caller

Headers = list[tuple[bytes, bytes]]
CLOSE: Final = (b"connection", b"close")
"""The header of a connection's last answer."""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    body: bytes
    caller: Caller
    path: Mapping[str, str] = NOTHING  # the values of the parameters in the route's path
    key: str | None = None  # the name of the API key


class Response(NamedTuple):
    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def head(self) -> Headers:
        """All headers, those of the body included."""
        return [(b"content-type", self.content_type), (b"content-length", b"%d" % len(self.body)), *self.headers]


class ErrorRenderer(Protocol):
    def __call__(self, error: UnrollError) -> Response: ...


def closing(message: Message) -> Message:
    """An ASGI message for a connection that ends with this answer."""
    headers = message.get("headers", ())
    if message["type"] != "http.response.start" or CLOSE in headers:
        return message
    return {**message, "headers": [*headers, CLOSE]}


def response_bytes(response: Response, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole response; `headers` come before its own."""
    return head_bytes(response, header_lines(headers)) + response.body


def head_bytes(response: Response, before: bytes) -> bytes:
    """All that comes before the body. `before`: the lines of headers that come before the response's own."""
    return b"".join((STATUS_LINE[response.status], before, header_lines(response.head), b"\r\n"))


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class CommonHeaders:
    """The lines of the headers that all responses share. uvicorn makes a new list of them every second.

    Gain: 1 us of the 23 that a request takes when 64 arrive together.
    """

    def __init__(self) -> None:
        self._headers: Headers | None = None
        self._lines = b""

    def lines(self, headers: Headers) -> bytes:
        if headers is not self._headers:
            self._headers, self._lines = headers, header_lines(headers)
        return self._lines
