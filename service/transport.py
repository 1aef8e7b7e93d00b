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
from functools import partial
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Match, Mount
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.admission import Admission
from service.caller import Caller, CallerGone
from service.errors import BodyTooLarge, Overloaded, SlowBody, UnknownRoute, UnrollError, WrongMethod
from service.guard import Guard
from service.headers import RequestIds, announced_bytes, check_content_type, timeout
from service.observing import OK, Observer
from service.routes import CLOSE, IN_HAND, ErrorRenderer, Request, Response, Route, Routes
from service.shedding import Shedding
from service.shortcuts import read_whole, write_whole
from service.tallies import tallies
from service.tracing import RequestTrace

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
        self.shedding = Shedding(self._routes, admission, guard, observer, self._identity, limits.body_bytes)

    def add(self, *routes: Route) -> None:
        self._routes.add(*routes)

    def around(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
        """`app`, which has `routes`, with our routes in front of it.

        What neither has is answered here, in our form: BentoML would keep metrics for every path ever asked for.
        """

        async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif (found := self._routes.find(scope["path"])) is not None and self._guard.has(found[0].scope):
                await self._answer(*found, scope, receive, send)
            elif (error := self._not_there(scope, routes) or self._kept_out(scope)) is not None:
                metrics.requests.labels("other", error.slug).inc()
                await _send(self._render_error(error), self._identity(dict(scope["headers"])), send)
            else:
                tallies.tell()  # `/metrics` is among what BentoML answers
                await app({**scope, "headers": list(filter(_is_plain, scope["headers"]))}, receive, send)

        return outermost

    def _not_there(self, scope: Scope, routes: Sequence[BaseRoute]) -> UnrollError | None:
        """Why none of `routes` would take a request; None if one does."""
        for route in routes:
            match, child = route.matches(scope)
            if match is Match.PARTIAL and isinstance(route, StarletteRoute):
                return self._kept_out(scope) or _wrong_method(scope, ", ".join(route.methods or ()))
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

    async def _answer(self, route: Route, path: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        identity = self._identity(headers)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._observer.begin(headers, identity[1])
        trace = None
        status, outcome = UnrollError.status, UnrollError.slug
        try:
            key = self._guard.admit(headers, route.scope)
            trace = self._observer.trace(headers, method, route.path, identity[1])
            response = await self._handle(route, path, scope, headers, receive, trace, key)
        except Overloaded as error:
            status, outcome = error.status, error.slug
            error.__traceback__ = None  # it is kept and raised again: the frames, and the body in them, would be kept too
            refusal = self.shedding.answer(route, error)
            await self.shedding.held()
            await _send(refusal, identity, send)
        except UnrollError as error:
            status, outcome = error.status, error.slug
            route.count(outcome)
            await self._refuse(route.render_error(error), identity, receive, send)
        except CallerGone:
            status, outcome = GONE, "caller-gone"
            route.count(outcome)
        except Exception:  # a fault of ours: the client gets an answer in the same form, the log gets the traceback
            logger.exception("%s %s failed", route.method, route.path)
            route.count(outcome)
            fault = UnrollError("the service failed to answer; its log says why.")
            await _send(route.render_error(fault), identity, send)
        else:
            status, outcome = response.status, OK
            tallies.add(route.answered)
            if not write_whole(response, identity, send):
                await _send(response, identity, send)
            tallies.add(route.seconds, time.perf_counter() - begun)
        tallies.soon()
        if trace is not None or outcome is not OK or self._observer.samples:
            self._observer.end(trace, method, route.path, status, outcome, time.perf_counter() - begun)

    async def _handle(
        self,
        route: Route,
        path: Mapping[str, str],
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        trace: RequestTrace | None,
        key: str | None,
    ) -> Response:
        if scope["method"] != route.method and not (route.method == "GET" and scope["method"] == "HEAD"):
            raise _wrong_method(scope, "GET, HEAD" if route.method == "GET" else route.method)
        deadline = time.monotonic() + timeout(headers, self._limits.timeout, self._limits.most_timeout)
        gone = partial(_gone, receive)
        if route.method != "POST":
            return await route.handle(Request(b"", Caller(deadline, gone, trace), path, key))
        announced = announced_bytes(headers)
        if announced is not None and announced > self._limits.body_bytes:  # before a byte of it is read
            raise self._too_large(f"{announced}")
        check_content_type(headers)
        if route.scope == "predict":  # what an admin asks for is needed most when too much waits
            self._admission.enter(announced)
        body = read_whole(receive)  # as it nearly always is
        if body is None:
            body = await self._rest(_at_once(receive), receive)
        elif len(body) > self._limits.body_bytes:
            raise self._too_large("more")
        else:
            self._admission.hold(len(body))
        size = len(body)
        self._admission.arrive(size)
        try:
            handled = route.handle(Request(body, Caller(deadline, gone, trace, _alone(scope), size), path, key))
            del body  # whoever handles it lets it go once it is read, and the next body is read to where it was
            return await handled
        finally:
            self._admission.leave(size)

    async def _rest(self, message: Message | None, receive: Receive) -> bytes:
        """A body that is perhaps to come, after what `message` has of it. Raises BodyTooLarge, SlowBody or CallerGone."""
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read_on(message or await receive(), receive)
        except TimeoutError:
            raise SlowBody(f"expected the body within {self._limits.body_seconds:g} s; received a part of it.") from None

    async def _read_on(self, message: Message, receive: Receive) -> bytes:
        chunks, size = [], 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise CallerGone
                chunk = message.get("body", b"")
                if size + len(chunk) > self._limits.body_bytes:
                    raise self._too_large("more")
                self._admission.hold(len(chunk), size)
                chunks.append(chunk)
                size += len(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
        except BaseException:
            self._admission.give_up(size)
            raise

    def _too_large(self, received: str) -> BodyTooLarge:
        most = self._limits.body_bytes
        detail = f"expected a body of at most {most} bytes; received {received}. Send the rows in several requests."
        return BodyTooLarge(detail, max_body_bytes=most)

    async def _refuse(self, response: Response, identity: tuple[bytes, bytes], receive: Receive, send: Send) -> None:
        """Send an error. One that came before the body was read closes the connection, after dropping what is left of it:

        closing at once would reset the connection under a client that is still sending, before it has read the answer.
        """
        closing = response._replace(headers=(*response.headers, CLOSE))
        if response.status != BodyTooLarge.status:
            await _send(closing if response.status == SlowBody.status else response, identity, send)
            return
        await _send(closing, identity, send, more=True)
        dropped, more = 0, True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while more and dropped < DRAIN_BYTES:
                    message = await receive()
                    dropped += len(message.get("body", b""))
                    more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": b""})


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


def _alone(scope: Scope) -> bool:
    """Whether this is the only request in hand; False where the server does not say."""
    in_hand = (scope.get("extensions") or {}).get(IN_HAND)
    return in_hand is not None and len(in_hand["tasks"]) == 1


def _is_plain(header: tuple[bytes, bytes]) -> bool:
    """Whether BentoML's layers may see it. OpenTelemetry's, which is among them, warns of each part of a header of its own
    that it cannot read, and fails at some that are not ASCII."""
    name, value = header
    return name not in (b"baggage", b"tracestate") and value.isascii()


def _gone(receive: Receive) -> bool:
    """Whether a client whose request was read has disconnected."""
    message = _at_once(receive)
    return message is not None and message["type"] == "http.disconnect"


def _at_once(receive: Receive) -> Message | None:
    """What `receive` has to say now; None if it would wait. One step of it, which costs less than a timeout around it."""
    asked: Any = receive()
    try:
        asked.send(None)
    except StopIteration as answered:
        message: Message = answered.value
        return message
    asked.close()
    return None


def _wrong_method(scope: Scope, allowed: str) -> WrongMethod:
    methods = sorted(allowed.split(", "))  # Starlette keeps them in a set
    detail = f"expected {' or '.join(methods)} at {scope['path']}; received {scope['method']}."
    return WrongMethod(detail, headers={"allow": ", ".join(methods)}, allowed=methods)


async def _send(response: Response, identity: tuple[bytes, bytes], send: Send, more: bool = False) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": [*response.head, identity]})
    await send({"type": "http.response.body", "body": response.body, "more_body": more})
