"""What the transport hands to protocols, what it gets back, and the table of routes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from re import Pattern
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from prometheus_client import Counter
from starlette.routing import compile_path

from service.errors import Overloaded, UnrollError
from service.request_context import Caller
from service.security.keys import Scope
from service.telemetry import metrics

CLOSE: Final = (b"connection", b"close")
"""The header of an answer that is the last one of its connection."""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    body: bytes
    caller: Caller
    path: Mapping[str, str] = NOTHING  # the values of the parameters in the route's path
    key: str | None = None  # the name of the key that let it in


class Response(NamedTuple):
    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def head(self) -> list[tuple[bytes, bytes]]:
        """Its headers, and those that its body has."""
        return [(b"content-type", self.content_type), (b"content-length", b"%d" % len(self.body)), *self.headers]


class ErrorRenderer(Protocol):
    def __call__(self, error: UnrollError) -> Response: ...


@dataclass(frozen=True)
class Route:
    path: str
    method: str
    handle: Callable[[Request], Awaitable[Response]]
    render_error: ErrorRenderer
    scope: Scope = "predict"  # that a key must have

    @cached_property
    def answered(self) -> Counter:
        return metrics.requests.labels(self.path, "ok")

    @cached_property
    def seconds(self) -> metrics.Distribution:
        return metrics.request_seconds.labels(self.path)

    def count(self, outcome: str) -> None:
        metrics.requests.labels(self.path, outcome).inc()

    @cached_property
    def shed(self) -> Counter:
        return metrics.requests.labels(self.path, Overloaded.slug)


class Routes:
    """Found by path; a path may have parameters in braces, as in Starlette."""

    def __init__(self) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[Pattern[str], Route]] = []
        self._predictions: dict[bytes, Route] = {}

    def add(self, *routes: Route) -> None:
        for route in routes:
            if "{" in route.path:
                self._patterns.append((compile_path(route.path)[0], route))
            else:
                self._exact[route.path] = route
                if (route.method, route.scope) == ("POST", "predict"):
                    self._predictions[route.path.encode()] = route

    def prediction(self, method: bytes, target: bytes) -> Route | None:
        """The route of a prediction, from the request line as it came; None for every other request."""
        return self._predictions.get(target) if method == b"POST" else None

    def find(self, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route, and the values of its path's parameters."""
        route = self._exact.get(path)
        if route is not None:
            return route, NOTHING
        for pattern, route in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                return route, match.groupdict()
        return None

    @property
    def all(self) -> list[Route]:
        return sorted([*self._exact.values(), *(route for _, route in self._patterns)], key=lambda route: route.path)
