"""The table of routes."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from re import Pattern
from typing import Any, Final, NamedTuple

from prometheus_client import Counter
from starlette.routing import compile_path

from service.errors import Overloaded
from service.http.messages import NOTHING, ErrorRenderer, Request, Response
from service.security.keys import Needed, Scope, needed
from service.telemetry import metrics

_PARAMETER: Final = re.compile(r"{(\w+)}")
_PLAIN: Final = r"(?P<\1>[A-Za-z0-9_.~-]{1,100})"
"""The value of a parameter that a request line spells as it is. Any other is left to ASGI, which decodes the path."""


@dataclass(frozen=True)
class Route:
    path: str
    method: str
    handle: Callable[[Request], Awaitable[Response]]
    render_error: ErrorRenderer
    scope: Scope | None = "predict"  # that a key must have; None: the route needs no key
    example: Callable[[Mapping[str, str]], dict[str, Any] | None] | None = None  # makes a body that works, by the path

    @cached_property
    def needs(self) -> Needed | None:
        """What opens the route; None: it needs no key."""
        return needed(self.method, self.scope)

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


class Found(NamedTuple):
    route: Route
    path: Mapping[str, str]  # the values of the parameters in the route's path


class Routes:
    """Finds a route by its path; a path may have parameters in braces, as in Starlette."""

    def __init__(self) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[Pattern[str], Route]] = []
        # All are POST.
        self.predictions: dict[bytes, Found] = {}  # by the target of their request line; those without parameters
        self._prediction_patterns: list[tuple[Pattern[str], Route]] = []

    def add(self, *routes: Route) -> None:
        for route in routes:
            predicts = (route.method, route.scope) == ("POST", "predict")
            if "{" in route.path:
                self._patterns.append((compile_path(route.path)[0], route))
                if predicts:
                    self._prediction_patterns.append((re.compile(_PARAMETER.sub(_PLAIN, route.path)), route))
            else:
                self._exact[route.path] = route
                if predicts:
                    self.predictions[route.path.encode()] = Found(route, NOTHING)

    def find(self, path: str) -> Found | None:
        route = self._exact.get(path)
        return Found(route, NOTHING) if route is not None else _match(self._patterns, path)

    def find_prediction(self, target: bytes) -> Found | None:
        """The route of a prediction by the target of its request line; None if it is no prediction or has an escape."""
        found = self.predictions.get(target)
        return found if found is not None else _match(self._prediction_patterns, target.decode("latin-1"))

    @property
    def all(self) -> list[Route]:
        return sorted([*self._exact.values(), *(route for _, route in self._patterns)], key=lambda route: route.path)


def _match(patterns: list[tuple[Pattern[str], Route]], path: str) -> Found | None:
    for pattern, route in patterns:
        if (match := pattern.fullmatch(path)) is not None:
            return Found(route, match.groupdict())
    return None
