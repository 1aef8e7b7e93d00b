"""CORS: only web pages of the listed origins may send requests. Keys come in headers, not in cookies."""

from collections.abc import Callable
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS: Final = ("GET", "POST")
REQUEST_HEADERS: Final = (
    "authorization",
    "content-encoding",
    "content-type",
    "traceparent",
    "tracestate",
    "x-api-key",
    "x-request-id",
    "x-request-timeout-ms",
)
RESPONSE_HEADERS: Final = ("retry-after", "x-request-id")
CACHE_SECONDS: Final = 600
"""Seconds for which a browser may cache the answer to a preflight request."""


def cross_origin(origins: tuple[str, ...]) -> Callable[[ASGIApp, object], ASGIApp]:
    """A layer for around the application; it adds nothing if no origin is listed."""

    def around(app: ASGIApp, _routes: object) -> ASGIApp:
        if not origins:
            return app
        return CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
            max_age=CACHE_SECONDS,
        )

    return around
