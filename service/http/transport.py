"""The outermost ASGI layer: our routes are answered before BentoML's own layers, everything else passes on to them.

It is outermost because BentoML's tracing, access log, metrics and timeout middlewares, which would run first, cost
several times the work of a prediction (../benchmarks/LOG.md); `Service.add_asgi_middleware`, the public hook, puts a
middleware inside of them. So the middleware added there only waits for the application's start (the ASGI lifespan
scope carries the application) and then puts the transport around the whole stack.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Match, Mount
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import BodyTooLarge, Overloaded, SlowBody, UnknownRoute, UnrollError, WrongMethod
from service.http.direct import DirectExchange
from service.http.early_refusal import Shedding
from service.http.exchange import AsgiExchange, Exchange
from service.http.headers import RequestIds, announced_bytes, check_content_type, timeout
from service.http.routes import CLOSE, NOTHING, ErrorRenderer, Request, Response, Route, Routes
from service.http.scheduling import Turns, run
from service.overload.admission import Admission
from service.request_context import Caller, CallerGone
from service.security.guard import Guard
from service.telemetry import metrics
from service.telemetry.metric_buffer import tallies
from service.telemetry.request_log import OK, Observer
from service.telemetry.tracing import RequestTrace

logger = logging.getLogger(__name__)
GONE = 499
"""What stands for the status of a request whose client went away, in logs and traces; nobody is sent it."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
OTHER = "_OTHER"
"""What logs and traces call every other method, as OpenTelemetry does: their names are bounded."""
DRAIN_BYTES = 16 * 2**20
"""How much of a refused body is read and dropped after the answer, so that a client still sending gets to read it."""
DRAIN_SECONDS = 5.0


class Limits(NamedTuple):
    """What the transport lets in; seconds and bytes."""

    body_bytes: int
    body_seconds: float  # for a body to arrive whole
    timeout: float  # of a request that names none
    most_timeout: float  # that a request may name


class Transport:
    """`render_error` is for paths that no route of ours has."""

    def __init__(
        self, limits: Limits, admission: Admission, guard: Guard, observer: Observer, render_error: ErrorRenderer
    ) -> None:
        self._limits, self._admission, self._guard, self._render_error = limits, admission, guard, render_error
        self._observer = observer
        self._routes, self._identity = Routes(), RequestIds()
        self._turns = Turns(lambda: admission.waiting_requests)
        self.shedding = Shedding(self._routes, admission, guard, observer, self._identity, limits.body_bytes)

    def add(self, *routes: Route) -> None:
        self._routes.add(*routes)

    def direct(self, method: bytes, target: bytes) -> Route | None:
        """The route of a request that may be answered directly; None for every other request."""
        return None if self.shedding.stopped else self._routes.prediction(method, target)

    def begin(self, route: Route, exchange: DirectExchange) -> None:
        """Answer a request that is here whole, as soon as it is known whether it is alone."""

        def start(alone: bool) -> None:
            exchange.alone = alone
            run(self._answer(route, NOTHING, exchange), exchange.fail)

        self._turns.begin(start)

    def around(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
        """`app`, which has `routes`, with our routes in front of it.

        What neither has is answered here, in our form: BentoML would keep metrics for every path ever asked for.
        """

        async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif (found := self._routes.find(scope["path"])) is not None and self._guard.has(found[0].scope):
                await self._answer(*found, AsgiExchange(scope, receive, send))
            elif (error := self._not_there(scope, routes) or self._kept_out(scope)) is not None:
                metrics.requests.labels("other", error.slug).inc()
                exchange = AsgiExchange(scope, receive, send)
                await exchange.send(self._render_error(error), self._identity(exchange.headers))
            else:
                tallies.tell()  # `/metrics` is among what BentoML answers
                await app({**scope, "headers": list(filter(_is_plain, scope["headers"]))}, receive, send)

        return outermost

    def _not_there(self, scope: Scope, routes: Sequence[BaseRoute]) -> UnrollError | None:
        """Why none of `routes` would take a request; None if one does."""
        for route in routes:
            match, child = route.matches(scope)
            if match is Match.PARTIAL and isinstance(route, StarletteRoute):
                return self._kept_out(scope) or _wrong_method(scope["method"], scope["path"], ", ".join(route.methods or ()))
            if match is Match.FULL:
                if not isinstance(route, Mount) or not isinstance(route.app, StaticFiles):
                    return None
                with contextlib.suppress(OSError, ValueError):  # no file has such a name, and none can have
                    if route.app.lookup_path(route.app.get_path({**scope, **child}))[1] is not None:
                        return None
        known = ", ".join(route.path for route in self._routes.all if self._guard.has(route.scope))
        return UnknownRoute(f"nothing at {scope['path'][:200]}. There is: {known}, and the documentation at /.")

    def _kept_out(self, scope: Scope) -> UnrollError | None:
        return self._guard.refusal(scope["path"], dict(scope["headers"]))

    async def _answer(self, route: Route, path: Mapping[str, str], exchange: Exchange) -> None:
        begun = time.perf_counter()
        headers = exchange.headers
        identity = self._identity(headers)
        method = exchange.method if exchange.method in METHODS else OTHER
        self._observer.begin(headers, identity[1])
        trace = None
        status, outcome = UnrollError.status, UnrollError.slug
        try:
            key = self._guard.admit(headers, route.scope)
            trace = self._observer.trace(headers, method, route.path, identity[1])
            response = await self._handle(route, path, exchange, trace, key)
        except Overloaded as error:
            status, outcome = error.status, error.slug
            error.__traceback__ = None  # it is kept and raised again: the frames, and the body in them, would be kept too
            refusal = self.shedding.answer(route, error)
            await self.shedding.held()
            await exchange.send(refusal, identity)
        except UnrollError as error:
            status, outcome = error.status, error.slug
            route.count(outcome)
            await self._refuse(route.render_error(error), identity, exchange)
        except CallerGone:
            status, outcome = GONE, "caller-gone"
            route.count(outcome)
        except Exception:  # a fault of ours: the client gets an answer in the same form, the log gets the traceback
            logger.exception("%s %s failed", route.method, route.path)
            route.count(outcome)
            fault = UnrollError("the service failed to answer; its log says why.")
            await exchange.send(route.render_error(fault), identity)
        else:
            status, outcome = response.status, OK
            tallies.add(route.answered)
            await exchange.send(response, identity)
            tallies.add(route.seconds, time.perf_counter() - begun)
        tallies.soon()
        if trace is not None or outcome is not OK or self._observer.samples:
            self._observer.end(trace, method, route.path, status, outcome, time.perf_counter() - begun)

    async def _handle(
        self, route: Route, path: Mapping[str, str], exchange: Exchange, trace: RequestTrace | None, key: str | None
    ) -> Response:
        if exchange.method != route.method and not (route.method == "GET" and exchange.method == "HEAD"):
            raise _wrong_method(exchange.method, route.path, "GET, HEAD" if route.method == "GET" else route.method)
        headers = exchange.headers
        deadline = time.monotonic() + timeout(headers, self._limits.timeout, self._limits.most_timeout)
        if route.method != "POST":
            return await route.handle(Request(b"", Caller(deadline, exchange.gone, trace), path, key))
        announced = announced_bytes(headers)
        if announced is not None and announced > self._limits.body_bytes:  # before a byte of it is read
            raise self._too_large(f"{announced}")
        check_content_type(headers)
        if route.scope == "predict":  # what an admin asks for is needed most when too much waits
            self._admission.enter(announced)
        body = exchange.body
        if body is None:
            body = await self._receive(exchange)
        elif len(body) > self._limits.body_bytes:
            raise self._too_large("more")
        else:
            self._admission.hold(len(body))
        size = len(body)
        self._admission.arrive(size)
        try:
            handled = route.handle(Request(body, Caller(deadline, exchange.gone, trace, exchange.alone, size), path, key))
            exchange.body = None
            del body  # the handler drops it after parsing, so that the next one reuses its memory
            return await handled
        finally:
            self._admission.leave(size)

    async def _receive(self, exchange: Exchange) -> bytes:
        """A body that is still to come. Raises BodyTooLarge, SlowBody or CallerGone."""
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read(exchange)
        except TimeoutError:
            raise SlowBody(f"expected the body within {self._limits.body_seconds:g} s; received a part of it.") from None

    async def _read(self, exchange: Exchange) -> bytes:
        chunks, size, more = list[bytes](), 0, True
        try:
            while more:
                message = await exchange.receive()
                if message["type"] == "http.disconnect":
                    raise CallerGone
                chunk = message.get("body", b"")
                if size + len(chunk) > self._limits.body_bytes:
                    raise self._too_large("more")
                self._admission.hold(len(chunk), size)
                chunks.append(chunk)
                size += len(chunk)
                more = message.get("more_body", False)
        except BaseException:
            self._admission.give_up(size)
            raise
        return b"".join(chunks)

    def _too_large(self, received: str) -> BodyTooLarge:
        most = self._limits.body_bytes
        detail = f"expected a body of at most {most} bytes; received {received}. Send the rows in several requests."
        return BodyTooLarge(detail, max_body_bytes=most)

    async def _refuse(self, response: Response, identity: tuple[bytes, bytes], exchange: Exchange) -> None:
        """Send an error. One that came before the body was read closes the connection, after dropping what is left of it:

        closing at once would reset the connection under a client that is still sending, before it has read the answer.
        """
        closing = response._replace(headers=(*response.headers, CLOSE))
        if response.status != BodyTooLarge.status or exchange.body is not None:
            await exchange.send(closing if response.status == SlowBody.status else response, identity)
            return
        await exchange.send(closing, identity, more=True)
        dropped, more = 0, True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while more and dropped < DRAIN_BYTES:
                    message = await exchange.receive()
                    dropped += len(message.get("body", b""))
                    more = message.get("more_body", False)
        await exchange.end()


class Outermost:
    """The middleware to add to a BentoML service: at the application's start it wraps the application's whole stack.

    `outside` goes around all of that.
    """

    def __init__(self, app: ASGIApp, transport: Transport, outside: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
        self._app, self._transport, self._outside = app, transport, outside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            application: Any = scope["app"]
            ours = self._transport.around(application.middleware_stack, application.routes)
            application.middleware_stack = self._outside(ours)
        await self._app(scope, receive, send)


def _is_plain(header: tuple[bytes, bytes]) -> bool:
    """Whether BentoML's layers may see it. OpenTelemetry's, which is among them, warns of each part of a header of its own
    that it cannot read, and fails at some that are not ASCII."""
    name, value = header
    return name not in (b"baggage", b"tracestate") and value.isascii()


def _wrong_method(method: str, path: str, allowed: str) -> WrongMethod:
    methods = sorted(allowed.split(", "))  # Starlette keeps them in a set
    detail = f"expected {' or '.join(methods)} at {path}; received {method}."
    return WrongMethod(detail, headers={"allow": ", ".join(methods)}, allowed=methods)
