"""What follows the head of a request that offers an upgrade, which is not taken. httptools.

httptools ends such a request with its head, as if the upgrade were taken, and would read its body as the next request. Java's
`HttpClient` offers HTTP/2 with every first request. RFC 9110, 7.8: who does not take an upgrade answers as if there were none.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Final

import httptools

CALLBACKS: Final = ("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete")


def framing(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Those of the headers that say where the body ends, as lines; empty where there is none."""
    found = [header for header in headers if header[0] in (b"content-length", b"transfer-encoding")]
    if all(name == b"content-length" and not value.strip().strip(b"0") for name, value in found):
        return b""
    return b"".join(b"%b: %b\r\n" % header for header in found)


def behind_head(connection: Any, lines: bytes) -> Any:
    """A parser that tells `connection` what comes behind a head with these lines, and nothing of the head. Raises
    httptools.HttpParserError where they say what no body can be."""
    told = False

    def callback(name: str) -> Callable[..., None]:
        method = getattr(connection, name)

        def tell(*facts: bytes) -> None:
            if told:
                method(*facts)

        return tell

    parser = httptools.HttpRequestParser(SimpleNamespace(**{name: callback(name) for name in CALLBACKS}))
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
    parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % lines)
    told = True
    return parser
