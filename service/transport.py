"""The outermost ASGI layer: our routes are answered before BentoML's own layers, everything else passes on to them.

It is outermost because BentoML's tracing, access log, metrics and timeout middlewares, which would run first, cost
several times the work of a prediction (../benchmarks/LOG.md); `Service.add_asgi_middleware`, the public hook, puts a
middleware inside of them. So the middleware added there only waits for the application's start (the ASGI lifespan
scope carries the application) and then puts the transport around the whole stack.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, UnknownRoute, UnrollError, WrongContentType, WrongMethod

logger = logging.getLogger(__name__)
DRAIN_BYTES = 16 * 2**20
"""How much of a refused body is read and dropped after the answer, so that a client still sending gets to read it."""


class Answer(NamedTuple):
    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Route(NamedTuple):
    path: str
    method: str
    handle: Callable[[bytes], Awaitable[Answer]]  # takes the body
    render_error: "ErrorRenderer"


class ErrorRenderer(Protocol):
    def __call__(self, error: UnrollError) -> Answer: ...


class Transport:
    """`render_error` is for paths that no route of ours has."""

    def __init__(self, max_body_bytes: int, render_error: ErrorRenderer) -> None:
        self._max_body_bytes, self._render_error = max_body_bytes, render_error
        self._routes: dict[str, Route] = {}

    def add(self, *routes: Route) -> None:
        self._routes |= {route.path: route for route in routes}

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app` with our routes in front of it, and its bare 404 and 405 in the form of ours."""

        async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif (route := self._routes.get(scope["path"])) is not None:
                await self._answer(route, scope, receive, send)
            else:
                await app(scope, receive, self._with_our_errors(scope, send))

        return outermost

    async def _answer(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != route.method:
                raise _wrong_method(scope, route.method)
            body = b""
            if route.method == "POST":
                headers = dict(scope["headers"])
                _check_content_type(headers)
                body = await self._read(headers, receive)
            answer = await route.handle(body)
        except UnrollError as error:
            await _send_error(route.render_error(error), receive, send)
        except _Gone:
            return
        except Exception:  # a fault of ours: the client gets an answer in the same form, the log gets the traceback
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await _send(route.render_error(UnrollError("the service failed to answer; its log says why.")), send)
        else:
            await _send(answer, send)

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._max_body_bytes:  # before a byte of it is read
            raise self._too_large(f"{int(announced)}")
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._max_body_bytes:
                raise self._too_large("more")
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self, received: str) -> BodyTooLarge:
        return BodyTooLarge(
            f"expected a body of at most {self._max_body_bytes} bytes; received {received}. Send the rows in several requests.",
            max_body_bytes=self._max_body_bytes,
        )

    def _with_our_errors(self, scope: Scope, send: Send) -> Send:
        replaced = False

        async def wrapped(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] in (404, 405):
                headers = dict(message["headers"])
                if headers.get(b"content-type", b"").startswith(b"text/plain"):  # Starlette's own
                    replaced = True
                    error: UnrollError = self._unknown_route(scope)
                    if message["status"] == 405:
                        error = _wrong_method(scope, headers.get(b"allow", b"").decode("latin-1"))
                    await _send(self._render_error(error), send)
            if not replaced:
                await send(message)

        return wrapped

    def _unknown_route(self, scope: Scope) -> UnknownRoute:
        known = ", ".join(sorted(self._routes))
        return UnknownRoute(f"nothing at {scope['path']}. There is: {known}, and the documentation at /.")


class Outermost:
    """The middleware to add to a BentoML service: at the application's start it wraps the application's whole stack."""

    def __init__(self, app: ASGIApp, transport: Transport) -> None:
        self._app, self._transport = app, transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            application: Any = scope["app"]
            application.middleware_stack = self._transport.around(application.middleware_stack)
        await self._app(scope, receive, send)


class _Gone(Exception):
    """The client went away; nobody is there to answer."""


def _wrong_method(scope: Scope, allowed: str) -> WrongMethod:
    methods = sorted(allowed.split(", "))  # Starlette keeps them in a set
    detail = f"expected {' or '.join(methods)} at {scope['path']}; received {scope['method']}."
    return WrongMethod(detail, headers={"allow": ", ".join(methods)}, allowed=methods)


def _check_content_type(headers: dict[bytes, bytes]) -> None:
    stated = headers.get(b"content-type", b"application/json").decode("latin-1")
    if stated.split(";")[0].strip().lower() != "application/json":
        hint = "Add the header content-type: application/json (curl -d alone says x-www-form-urlencoded)."
        raise WrongContentType(f"expected content type application/json; received {stated}. {hint}")
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise WrongContentType(f"expected a body without content encoding; received {encoding}. Send it uncompressed.")


async def _send(answer: Answer, send: Send) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_error(answer: Answer, receive: Receive, send: Send) -> None:
    """Send an answer that may come before the body was read, and close: what is left of the body is dropped first.

    Closing at once would reset the connection under a client that is still sending, before it has read the answer.
    """
    if answer.status != BodyTooLarge.status:
        await _send(answer, send)
        return
    closing = answer._replace(headers=(*answer.headers, (b"connection", b"close")))

    async def hold_open(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await _send(closing, hold_open)
    dropped, more = 0, True
    while more and dropped < DRAIN_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        more = message.get("more_body", False)
    with contextlib.suppress(OSError):
        await send({"type": "http.response.body", "body": b""})
