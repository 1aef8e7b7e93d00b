"""One HTTP request over a connection of its own, for commands and checks. The load itself comes from Locust."""

import http.client
import os
from typing import Final, NamedTuple
from urllib.parse import urlsplit

TIMEOUT: Final = 30.0
"""Seconds for each read and write of a socket."""


class Answer(NamedTuple):
    status: int
    body: bytes


def ask(url: str, method: str = "GET", body: bytes | None = None, timeout: float = TIMEOUT) -> Answer:
    """Send one request, with the key in UNROLL_KEY. Raises OSError or HTTPException when no answer came."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        connection.request(method, parts.path or "/", body, {**headers, **key_header()})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()


def why_not_ready(url: str, path: str = "/readyz") -> str | None:
    """None when a GET of `path` is answered 200; else the reason."""
    try:
        status, body = ask(f"{url.rstrip('/')}{path}", timeout=5.0)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"{path} answers {status} {body[:200].decode(errors='replace')}".strip()


def key_header() -> dict[str, str]:
    """The key in UNROLL_KEY, as a service with keys expects it."""
    key = os.environ.get("UNROLL_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}
