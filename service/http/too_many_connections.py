"""A connection over the limit gets 503, except for probes. It is closed after its first answer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import TooManyConnections
from service.http.messages import ErrorRenderer, closing
from service.security.key_check import OPEN
from service.telemetry import metrics


class TooMany:
    """Stands in the place of `app` for one connection."""

    def __init__(self, app: ASGIApp, most: int, render_error: ErrorRenderer) -> None:
        self._app, self._most, self._render_error = app, most, render_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closed(message: Message) -> None:
            await send(closing(message))

        if scope["path"] in OPEN:  # an orchestrator must not end a busy worker
            await self._app(scope, receive, closed)
            return
        detail = f"{self._most} connections are open in this worker. Reuse them, or try again later."
        error = TooManyConnections(detail, headers={"retry-after": "1"})
        metrics.requests.labels("other", error.slug).inc()
        response = self._render_error(error)
        await closed({"type": "http.response.start", "status": response.status, "headers": response.head})
        await send({"type": "http.response.body", "body": response.body})
