"""The outermost ASGI layer: our routes are answered before BentoML's own layers, everything else passes on to them.

It is outermost because BentoML's tracing, access log, metrics and timeout middlewares, which would run first, cost
several times the work of a prediction (../benchmarks/LOG.md); `Service.add_asgi_middleware`, the public hook, puts a
middleware inside of them. So the middleware added there only waits for the application's start (the ASGI lifespan
scope carries the application) and then puts the transport around the whole stack.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any, NamedTuple, Protocol

from prometheus_client import Counter, Histogram
from starlette.routing import BaseRoute, Match, Mount
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.admission import Admission
from service.caller import Caller, CallerGone
from service.errors import (
    BodyTooLarge,
    InvalidTimeout,
    Overloaded,
    SlowBody,
    UnknownRoute,
    UnrollError,
    WrongContentType,
    WrongMethod,
)

logger = logging.getLogger(__name__)
DRAIN_BYTES = 16 * 2**20
"""How much of a refused body is read and dropped after the answer, so that a client still sending gets to read it."""
DRAIN_SECONDS = 5.0


SHED_SECONDS = 0.002
"""How long a 429 is held back, in seconds. Clients that ask again at once would otherwise keep the event loop busy with refusing them:
16 of them took 85 % of the goodput."""


class Request(NamedTuple):
    body: bytes
    caller: Caller


class Response(NamedTuple):
    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class ErrorRenderer(Protocol):
    def __call__(self, error: UnrollError) -> Response: ...


@dataclass(frozen=True)
class Route:
    path: str
    method: str
    handle: Callable[[Request], Awaitable[Response]]
    render_error: ErrorRenderer

    @cached_property
    def answered(self) -> Counter:
        return metrics.requests.labels(self.path, "ok")

    @cached_property
    def seconds(self) -> Histogram:
        return metrics.request_seconds.labels(self.path)

    def count(self, outcome: str) -> None:
        metrics.requests.labels(self.path, outcome).inc()


class Limits(NamedTuple):
    """What the transport lets in; seconds and bytes."""

    body_bytes: int
    body_seconds: float  # for a body to arrive whole
    timeout: float  # of a request that names none
    most_timeout: float  # that a request may name


class Transport:
    """`render_error` is for paths that no route of ours has."""

    def __init__(self, limits: Limits, admission: Admission, render_error: ErrorRenderer) -> None:
        self._limits, self._admission, self._render_error = limits, admission, render_error
        self._routes: dict[str, Route] = {}
        start = secrets.token_hex(6)  # of this process, so that ids differ across workers
        self._ids = (f"{start}-{number:x}".encode() for number in count())

    def add(self, *routes: Route) -> None:
        self._routes |= {route.path: route for route in routes}

    def around(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
        """`app`, which has `routes`, with our routes in front of it.

        What neither has is answered here, in our form: BentoML would keep metrics for every path ever asked for.
        """

        async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif (route := self._routes.get(scope["path"])) is not None:
                await self._answer(route, scope, receive, send)
            elif (error := self._not_there(scope, routes)) is not None:
                metrics.requests.labels("other", error.slug).inc()
                await _send(self._render_error(error), (b"x-request-id", next(self._ids)), send)
            else:
                await app(scope, receive, send)

        return outermost

    def _not_there(self, scope: Scope, routes: Sequence[BaseRoute]) -> UnrollError | None:
        """Why none of `routes` would take a request; None if one does."""
        for route in routes:
            match, child = route.matches(scope)
            if match is Match.PARTIAL and isinstance(route, StarletteRoute):
                return _wrong_method(scope, ", ".join(route.methods or ()))
            if match is Match.FULL:
                if not isinstance(route, Mount) or not isinstance(route.app, StaticFiles):
                    return None
                if route.app.lookup_path(route.app.get_path({**scope, **child}))[1] is not None:
                    return None
        known = ", ".join(sorted(self._routes))
        return UnknownRoute(f"nothing at {scope['path'][:200]}. There is: {known}, and the documentation at /.")

    async def _answer(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = (b"x-request-id", _printable(headers.get(b"x-request-id", b"")) or next(self._ids))
        try:
            response = await self._handle(route, scope, headers, receive)
        except UnrollError as error:
            route.count(error.slug)
            await self._refuse(route.render_error(error), request_id, receive, send)
        except CallerGone:
            route.count("caller-gone")
        except Exception:  # a fault of ours: the client gets an answer in the same form, the log gets the traceback
            logger.exception("%s %s failed", scope["method"], scope["path"])
            route.count(UnrollError.slug)
            fault = UnrollError("the service failed to answer; its log says why.")
            await _send(route.render_error(fault), request_id, send)
        else:
            route.answered.inc()
            await _send(response, request_id, send)
            route.seconds.observe(time.perf_counter() - begun)

    async def _handle(self, route: Route, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Response:
        if scope["method"] != route.method:
            raise _wrong_method(scope, route.method)
        caller = Caller(time.monotonic() + self._timeout(headers), partial(_gone, receive))
        if route.method != "POST":
            return await route.handle(Request(b"", caller))
        size = _announced(headers)
        if size > self._limits.body_bytes:  # before a byte of it is read
            raise self._too_large(f"{size}")
        if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
            _check_content_type(headers)
        self._admission.enter(size)
        try:
            message = await receive()
            whole = message["type"] == "http.request" and not message.get("more_body", False)  # nearly always
            body = message.get("body", b"") if whole else await self._rest(message, receive)
            if len(body) > self._limits.body_bytes:
                raise self._too_large("more")
            return await route.handle(Request(body, caller))
        finally:
            self._admission.leave(size)

    async def _rest(self, message: Message, receive: Receive) -> bytes:
        """A body that comes in several messages, of which this is the first. Raises BodyTooLarge, SlowBody or CallerGone."""
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read_on(message, receive)
        except TimeoutError:
            raise SlowBody(f"expected the body within {self._limits.body_seconds:g} s; received a part of it.") from None

    async def _read_on(self, message: Message, receive: Receive) -> bytes:
        chunks, size = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise CallerGone
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._limits.body_bytes:
                raise self._too_large("more")
            if not message.get("more_body", False):
                return b"".join(chunks)
            message = await receive()

    def _timeout(self, headers: dict[bytes, bytes]) -> float:
        stated = headers.get(b"x-request-timeout-ms")
        if stated is None:
            return self._limits.timeout
        if not stated.isdigit() or not int(stated):
            shown = stated[:40].decode("latin-1")
            raise InvalidTimeout(f"expected a whole number of milliseconds in x-request-timeout-ms; received {shown}.")
        return min(int(stated) / 1e3, self._limits.most_timeout)

    def _too_large(self, received: str) -> BodyTooLarge:
        most = self._limits.body_bytes
        detail = f"expected a body of at most {most} bytes; received {received}. Send the rows in several requests."
        return BodyTooLarge(detail, max_body_bytes=most)

    async def _refuse(self, response: Response, request_id: tuple[bytes, bytes], receive: Receive, send: Send) -> None:
        """Send an error. One that came before the body was read closes the connection, after dropping what is left of it:

        closing at once would reset the connection under a client that is still sending, before it has read the answer.
        """
        closing = response._replace(headers=(*response.headers, (b"connection", b"close")))
        if response.status == Overloaded.status:
            await asyncio.sleep(SHED_SECONDS)
        if response.status != BodyTooLarge.status:
            await _send(closing if response.status == SlowBody.status else response, request_id, send)
            return
        await _send(closing, request_id, send, more=True)
        dropped, more = 0, True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while more and dropped < DRAIN_BYTES:
                    message = await receive()
                    dropped += len(message.get("body", b""))
                    more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": b""})


class Outermost:
    """The middleware to add to a BentoML service: at the application's start it wraps the application's whole stack."""

    def __init__(self, app: ASGIApp, transport: Transport) -> None:
        self._app, self._transport = app, transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            application: Any = scope["app"]
            application.middleware_stack = self._transport.around(application.middleware_stack, application.routes)
        await self._app(scope, receive, send)


def _printable(stated: bytes) -> bytes:
    """A client's request id as it may be sent back: 128 printable characters at most, else nothing."""
    return stated[:128] if stated.isascii() and stated.decode().isprintable() else b""


def _announced(headers: dict[bytes, bytes]) -> int:
    """The body's bytes as the client announces them; 1 where it does not, since something is to come."""
    stated = headers.get(b"content-length", b"")
    return int(stated) if stated.isdigit() else 1


def _gone(receive: Receive) -> bool:
    """Whether a client whose request was read has disconnected, asked without waiting: one step of `receive`."""
    asked: Any = receive()
    try:
        asked.send(None)
    except StopIteration as answered:
        return bool(answered.value["type"] == "http.disconnect")
    asked.close()  # it would wait: nothing has happened
    return False


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


async def _send(response: Response, request_id: tuple[bytes, bytes], send: Send, more: bool = False) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", b"%d" % len(response.body)),
        request_id,
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": more})
