"""The table of routes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from re import Pattern

from prometheus_client import Counter
from starlette.routing import compile_path

from service.errors import Overloaded
from service.http.messages import NOTHING, ErrorRenderer, Request, Response
from service.security.keys import Scope
from service.telemetry import metrics


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

    @cached_property
    def overloaded(self) -> Counter:
        return metrics.requests.labels(self.path, Overloaded.slug)

    def count(self, outcome: str) -> None:
        metrics.requests.labels(self.path, outcome).inc()


class Routes:
    """Finds a route by its path; a path may have parameters in braces, as in Starlette."""

    def __init__(self) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[Pattern[str], Route]] = []
        self.predictions: dict[bytes, Route] = {}  # by the target of their request line; all are POST

    def add(self, *routes: Route) -> None:
        for route in routes:
            if "{" in route.path:
                self._patterns.append((compile_path(route.path)[0], route))
            else:
                self._exact[route.path] = route
                if (route.method, route.scope) == ("POST", "predict"):
                    self.predictions[route.path.encode()] = route

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
