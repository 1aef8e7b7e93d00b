"""What a request's headers say, checked. Header names are lower-case bytes, as ASGI gives them."""

import secrets
from itertools import count
from typing import Final

from service.errors import InvalidTimeout, WrongContentEncoding, WrongContentType


class _Trailers(list[tuple[bytes, bytes]]):
    """Discards trailers, so that they cannot pass for headers."""

    def append(self, _: object) -> None:
        pass


TRAILERS: Final = _Trailers()
ENCODINGS: Final = ("gzip", "zstd")
"""Content encodings that bodies may have."""
POSTED: Final = "Type: curl -H 'content-type: application/json' -d 'BODY' URL. The field example has a BODY that works."
"""What to do about a request that has no JSON."""
_SLIPS: Final = {  # by content type: what a client does to get there
    "application/x-www-form-urlencoded": "curl -d alone sends this type.",
    "multipart/form-data": "This is what curl -F sends: send the JSON as the body itself.",
    "text/csv": "Turn each line into a list of numbers: 0.1,0.2 becomes [0.1, 0.2].",
}
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
        detail = f"expected a whole number of milliseconds in x-request-timeout-ms; received {shown}."
        raise InvalidTimeout(f"{detail} Write 2000 for two seconds.")
    return min(int(stated[:DIGITS]) / 1e3, most)


def check_content(headers: dict[bytes, bytes]) -> str | None:
    """The encoding of the body; None if it has none.

    Raises WrongContentType unless the body is JSON, or does not say what it is, or is empty. Raises WrongContentEncoding.
    """
    if headers.get(b"content-type") == b"application/json" and b"content-encoding" not in headers:  # nearly always
        return None
    stated = headers.get(b"content-type", b"application/json").decode("latin-1")
    kind = stated.partition(";")[0].strip().lower()
    if kind != "application/json" and announced_bytes(headers) != 0:
        slip = _SLIPS.get(kind, "")
        hint = f"{slip} {POSTED}".lstrip()
        raise WrongContentType(f"expected content type application/json; received {stated[:200]}. {hint}")
    stated = headers.get(b"content-encoding", b"identity").decode("latin-1")
    encoding = stated.strip().lower().removeprefix("x-")
    if encoding in ("identity", ""):
        return None
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        hint = "Compress the body once, with one of these, or not at all."
        detail = f"expected content-encoding {' or '.join(ENCODINGS)}; received {stated[:200]}. {hint}"
        raise WrongContentEncoding(detail, headers={"accept-encoding": known}, allowed=[*ENCODINGS])
    return encoding
