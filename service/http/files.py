"""Answers with a file of a page: its type, and what a browser may do with it."""

from pathlib import Path
from typing import Final

from service.http.messages import Response

TYPES: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No code but our files, no request to another origin, no frame around the page."""


def file_answer(path: Path, policy: str = POLICY) -> Response:
    """The file as it is now. `policy`: of the page, for the browser."""
    headers = (
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    )
    return Response(path.read_bytes(), 200, TYPES[path.suffix], headers)


def asking_for_a_key(page: Response) -> Response:
    """The page of a service that has keys."""
    return page._replace(body=page.body.replace(b'data-keys="no"', b'data-keys="yes"'))
