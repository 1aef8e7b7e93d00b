"""Which web pages may ask: none but those of the origins that a setting lists (CORS). Keys come in headers, not in cookies."""

from collections.abc import Callable
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS: Final = ("GET", "POST")
SENT: Final = ("authorization", "content-type", "x-api-key", "x-request-id", "x-request-timeout-ms")
READ: Final = ("retry-after", "x-request-id")
REMEMBERED: Final = 600
"""Seconds for which a browser need not ask again what it may."""


def cross_origin(origins: tuple[str, ...]) -> Callable[[ASGIApp, object], ASGIApp]:
    """The layer to put around the application: none where no origin is listed."""

    def around(app: ASGIApp, _routes: object) -> ASGIApp:
        if not origins:
            return app
        return CORSMiddleware(
            app, allow_origins=origins, allow_methods=METHODS, allow_headers=SENT, expose_headers=READ, max_age=REMEMBERED
        )

    return around
