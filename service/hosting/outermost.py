"""Puts layers around the whole ASGI application of BentoML.

BentoML's tracing, access log, metrics and timeout middlewares would run before our routes, and cost several times the work of a
prediction (benchmarks/LOG.md). `Service.add_asgi_middleware`, the public hook, puts a middleware inside of them. So the
middleware that is added there only waits for the application's start, and then wraps the application's whole stack.
"""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

Layer = Callable[[ASGIApp, Sequence[BaseRoute]], ASGIApp]
"""Makes of an application, which has these routes, one with a layer around it."""


class Outermost:
    """The middleware to add. `layers`: the innermost first. Before the start every request is answered with 503."""

    def __init__(self, app: ASGIApp, layers: Sequence[Layer]) -> None:
        self._app, self._layers = app, layers
        self.started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            application: Any = scope["app"]
            stack = application.middleware_stack
            for layer in self._layers:
                stack = layer(stack, application.routes)
            application.middleware_stack = stack
            self.started = True
        elif not self.started:  # keys and limits are in the layers: without them nothing is answered
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)
