"""How a worker ends. It is not ready at once, answers for a pause, and then finishes running requests within a grace time.

BentoML's own workers stop listening at SIGTERM, and are ready until then. Requests that a load balancer still sends are lost.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import Server

from service.hosting.accepting import running_server
from service.http.messages import closing
from service.telemetry import metrics

logger = logging.getLogger(__name__)
READY_PATH = "/readyz"


class Draining:
    """The middleware to add to a BentoML service. `begun` is called when draining begins.

    Seconds from SIGTERM: during `pause` load balancers notice that this worker is not ready; after `grace` the worker ends,
    whatever still runs. A second SIGTERM ends the pause. SIGINT, as from a terminal, has no pause. Until then the
    middleware only passes requests on; draining changes the application's outermost layer.
    """

    def __init__(self, app: ASGIApp, pause: float, grace: float, begun: Callable[[], None] = lambda: None) -> None:
        self._app, self._pause, self._grace, self._begun = app, pause, grace, begun
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._attend(scope["app"])
            await send(message)

        await self._app(scope, receive, told)

    def _attend(self, application: Any) -> None:
        """From now on SIGTERM begins the pause, and uvicorn handles it afterwards."""
        metrics.ready_workers.set(1)
        metrics.draining_workers.set(0)
        server = running_server()
        if server is None:
            return
        if server.config.timeout_graceful_shutdown is None:  # not on the command line
            server.config.timeout_graceful_shutdown = max(1, round(self._grace - self._pause))
        loop = asyncio.get_running_loop()

        def on_signal(*_: object) -> None:
            loop.call_soon_threadsafe(self._begin, application, server, loop)

        signal.signal(signal.SIGTERM, on_signal)

    def _begin(self, application: Any, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        if self._draining:
            server.handle_exit(signal.SIGTERM, None)
            return
        self._draining = True
        self._begun()
        metrics.ready_workers.set(0)
        metrics.draining_workers.set(1)
        application.middleware_stack = draining(application.middleware_stack)
        logger.info("draining: not ready from now on, answering for %g s more", self._pause)
        loop.call_later(self._pause, server.handle_exit, signal.SIGTERM, None)


def draining(app: ASGIApp) -> ASGIApp:
    """`app` while the worker drains: every answer closes its connection, and `/readyz` answers 503."""

    async def drained(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            await send(closing(message))

        if scope["type"] == "http" and scope["path"] == READY_PATH:
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"9")]
            await told({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"draining\n"})
        else:
            await app(scope, receive, told)

    return drained
