"""What a request's headers say, checked. Header names are lower-case bytes, as ASGI gives them."""

import secrets
from itertools import count
from typing import Final

from service.errors import InvalidTimeout, WrongContentType


class _Trailers(list[tuple[bytes, bytes]]):
    """Discards trailers, so that they cannot pass for headers."""

    def append(self, _: object) -> None:
        pass


TRAILERS: Final = _Trailers()
DIGITS = 15
"""Most digits of a number that are read: a longer number is too large in any case."""


def announced_bytes(headers: dict[bytes, bytes]) -> int | None:
    """The body's size as the client announces it; None where it does not."""
    stated = headers.get(b"content-length", b"")
    return int(stated[:DIGITS]) if stated.isdigit() else None


class RequestIds:
    """The header with a request's id: the client's, cut to 128 characters, if it is printable ASCII; otherwise a new one."""

    def __init__(self) -> None:
        start = secrets.token_hex(6)  # differs from worker to worker
        self._new = (f"{start}-{number:x}".encode() for number in count())

    def __call__(self, headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
        stated = headers.get(b"x-request-id", b"")
        usable = stated[:128] if stated.isascii() and stated.decode().isprintable() else b""
        return b"x-request-id", usable or next(self._new)


def timeout(headers: dict[bytes, bytes], default: float, most: float) -> float:
    """Seconds that the client waits. Raises InvalidTimeout."""
    stated = headers.get(b"x-request-timeout-ms")
    if stated is None:
        return default
    if not stated.isdigit() or not int(stated[:DIGITS]):
        shown = stated[:40].decode("latin-1")
        raise InvalidTimeout(f"expected a whole number of milliseconds in x-request-timeout-ms; received {shown}.")
    return min(int(stated[:DIGITS]) / 1e3, most)


def check_content_type(headers: dict[bytes, bytes]) -> None:
    """Raises WrongContentType unless the body is plain JSON, or does not say what it is."""
    if headers.get(b"content-type") == b"application/json" and b"content-encoding" not in headers:  # nearly always
        return
    stated = headers.get(b"content-type", b"application/json").decode("latin-1")
    if stated.split(";")[0].strip().lower() != "application/json":
        hint = "Add the header content-type: application/json (curl -d alone says x-www-form-urlencoded)."
        raise WrongContentType(f"expected content type application/json; received {stated[:200]}. {hint}")
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise WrongContentType(f"expected a body without content encoding; received {encoding[:200]}. Send it uncompressed.")
