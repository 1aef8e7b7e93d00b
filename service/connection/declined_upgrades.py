"""Requests that offer an upgrade: the service declines it and answers them like any other (RFC 9110, 7.8).

httptools ends such a request with its head, as if the upgrade were taken, and would parse the body as the next request. Java's
`HttpClient` offers HTTP/2 with every first request.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Final

import httptools

CALLBACKS: Final = ("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete")


class DeclinedUpgrades:
    """Of one connection: parses on behind each head that offers an upgrade."""

    def __init__(self) -> None:
        self.framing = b""  # of a body that is still to come, where the parser takes the head for a whole request

    def head_ends(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """These headers offer an upgrade."""
        self.framing = framing(headers)

    def go_on(self, connection: Any, rest: memoryview) -> bool:
        """Parse what follows such a head. Whether it is HTTP."""
        lines, self.framing = self.framing, b""
        while rest or lines:
            try:
                if lines:
                    connection.parser = parser_behind_head(connection, lines)
                connection.parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                lines, self.framing = self.framing, b""
            except httptools.HttpParserError:
                return False
        return True


def framing(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The lines of the headers that say where the body ends; empty where there is no body."""
    found = [header for header in headers if header[0] in (b"content-length", b"transfer-encoding")]
    if all(name == b"content-length" and not value.strip().strip(b"0") for name, value in found):
        return b""
    return b"".join(b"%b: %b\r\n" % header for header in found)


def parser_behind_head(connection: Any, lines: bytes) -> Any:
    """A parser that has read a head with these lines, and calls `connection` only for what follows. Raises
    httptools.HttpParserError for lines that no body can have."""
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
