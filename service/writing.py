"""An answer as bytes."""

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.routes import Response


def written(response: Response, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """As it goes over the wire, `headers` before its own."""
    return head_written(response, headers) + response.body


def head_written(response: Response, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What of it comes before its body."""
    lines = [b"%b: %b\r\n" % header for header in (*headers, *response.head)]
    return b"".join((STATUS_LINE[response.status], *lines, b"\r\n"))
