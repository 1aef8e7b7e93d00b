"""Puts layers around the whole ASGI application of BentoML.

BentoML's tracing, access log, metrics and timeout middlewares would run before our routes, and cost several times the work of a
prediction (benchmarks/LOG.md). `Service.add_asgi_middleware`, the public hook, puts a middleware inside of them. So the
middleware that is added there only waits for the application's start, and then wraps the application's whole stack.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.hosting.accepting import Server, running_server
from service.hosting.unfit import end_unfit

Layer = Callable[[ASGIApp, Sequence[BaseRoute]], ASGIApp]
"""Makes of an application, which has these routes, one with a layer around it."""


class Outermost:
    """The middleware to add. `layers`: the innermost first. `without`: names of the application's routes that are left out.
    Before the start every request is answered with 503; a worker that is not put together as it must be does not start."""

    def __init__(self, app: ASGIApp, layers: Sequence[Layer], without: Container[str] = ()) -> None:
        self._app, self._layers, self._without = app, layers, without
        self._stack: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            application: Any = scope["app"]
            application.routes[:] = [route for route in application.routes if route.name not in self._without]
            stack = application.middleware_stack
            for layer in self._layers:
                stack = layer(stack, application.routes)
            application.middleware_stack = self._stack = stack

            async def checked(message: Message) -> None:
                if message["type"] == "lifespan.startup.complete" and (fault := self._fault(application)) is not None:
                    end_unfit(fault)
                await send(message)

            await self._app(scope, receive, checked)
        elif self._stack is None:  # keys and limits are in the layers: without them nothing is answered
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)

    def _fault(self, application: Any) -> str | None:
        """What is not in place; None if all is."""
        server = running_server()
        if server is not None and not isinstance(server, Server):
            return f"its server is {type(server).__module__}.{type(server).__qualname__}, not unroll's"
        if application.middleware_stack is not self._stack:
            return "unroll's layers are not outermost, another middleware is around them"
        return None
