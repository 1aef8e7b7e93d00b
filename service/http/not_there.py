"""The errors for a path that no route has, and for a method that a path does not take. Each says what to ask instead."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from service.errors import UnknownRoute, WrongMethod
from service.http.headers import POSTED
from service.http.routes import Route

MOST: Final = 100
"""Characters of a path that are compared with the routes' paths."""
LIKE: Final = 0.7
"""How like a known path a path must be, for it to be what the client meant."""
_OTHER_SERVERS: Final = re.compile(r"/v[12]/models/([^/:]+)(?:/versions/[^/:]+)?(?::predict|/infer)?")
"""Paths of TensorFlow Serving and of Open Inference."""
_OTHER_NAMES: Final = {
    "/openapi.json": "/docs.json",
    "/swagger.json": "/docs.json",
    "/redoc": "/docs",
    "/swagger": "/docs",
    "/predict": "/models/{name}/predict",
}
"""Paths that other services have for the same."""
_API: Final = re.compile(r"/api(?=/)")


def unknown_route(path: str, ours: Collection[str], theirs: Iterable[str]) -> UnknownRoute:
    """`ours`: the paths of our routes that exist. `theirs`: of BentoML's."""
    meant = _meant(path, [*ours, *theirs])
    hint = f"Did you mean {meant}?" if meant is not None else f"There is: {', '.join(ours)}."
    return UnknownRoute(f"nothing at {path[:200]}. {hint}")


def wrong_method(method: str, path: str, allowed: Iterable[str], hint: str = "") -> WrongMethod:
    methods = sorted(allowed)  # Starlette keeps them in a set
    detail = f"expected {' or '.join(methods)} at {path[:200]}; received {method[:20]}. {hint}".rstrip()
    return WrongMethod(detail, headers={"allow": ", ".join(methods)}, allowed=methods)


def wrong_method_of(route: Route, method: str, others: Iterable[Route]) -> WrongMethod:
    """`others`: all our routes."""
    methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
    below = [each.path for each in others if each.method == method and each.path.startswith(f"{route.path}/")]
    hint = POSTED if route.example is not None else f"{method} goes to {' or '.join(below)}." if below else ""
    return wrong_method(method, route.path, methods, hint)


def _meant(path: str, known: list[str]) -> str | None:
    """The known path that is like `path`, with the values that `path` has for its parameters."""
    if (other := _OTHER_SERVERS.fullmatch(path)) is not None:
        return f"/models/{other[1][:MOST]}/predict"
    path = _API.sub("", path, count=1)
    if (name := _OTHER_NAMES.get(path.rstrip("/").lower())) in known:
        return name
    given = [part for part in path.split("/") if part]
    if len(path) > MOST or not given:
        return None
    candidates = {}
    for route in known:
        parts = [part for part in route.split("/") if part]
        if len(parts) == len(given):
            filled = [there if part.startswith("{") else part for part, there in zip(parts, given, strict=True)]
            candidates[_plain("/".join(filled))] = "/" + "/".join(filled)
    close = get_close_matches(_plain("/".join(given)), candidates, n=1, cutoff=LIKE)
    return candidates[close[0]] if close else None


def _plain(path: str) -> str:
    return path.lower().replace("-", "_")
