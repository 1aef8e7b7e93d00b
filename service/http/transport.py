"""Answers the requests for our routes; passes every other request on to BentoML's application.

The transport is the outermost ASGI layer (`hosting/outermost.py`). A request that arrived whole does not even pass ASGI: its
connection calls `begin`.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from starlette.routing import BaseRoute, Match
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import BodyTooLarge, Overloaded, SlowBody, UnrollError
from service.http import body
from service.http.body import BodyLimits
from service.http.decompression import Decompression
from service.http.early_refusal import EarlyRefusal
from service.http.exchange import AsgiExchange, Exchange
from service.http.headers import RequestIds, announced_bytes, check_content, timeout
from service.http.messages import CLOSE, ErrorRenderer, Request, Response
from service.http.not_there import unknown_route, wrong_method, wrong_method_of
from service.http.routes import Found, Route, Routes
from service.http.scheduling import Turns, run
from service.http.uvicorn_cycle import DirectExchange
from service.overload.admission import Admission, Ticket
from service.overload.refusals import Refusals
from service.request_context import Caller, CallerGone
from service.security.key_check import Guard
from service.telemetry import metrics
from service.telemetry.metric_buffer import metric_buffer
from service.telemetry.request_log import CURRENT, OK, RequestLog
from service.telemetry.tracing import RequestTrace

logger = logging.getLogger(__name__)
GONE: Final = 499
"""Stands in logs and traces for the status of a request whose client went away; no client is sent it."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
OTHER: Final = "_OTHER"
"""Every other method in logs and traces, as in OpenTelemetry: the names are bounded."""


class Limits(NamedTuple):
    """Seconds and bytes."""

    body: BodyLimits
    timeout: float  # of a request that names none
    most_timeout: float  # that a request may name


class Transport:
    """`render_error` is for paths that no route of ours has."""

    def __init__(
        self, limits: Limits, admission: Admission, guard: Guard, log: RequestLog, render_error: ErrorRenderer
    ) -> None:
        self._limits, self._admission, self._guard, self._log = limits, admission, guard, log
        self._render_error = render_error
        self._routes, self._identity, self._refusals = Routes(), RequestIds(), Refusals()
        self._decompression = Decompression()
        self._turns = Turns(lambda: admission.waiting_requests)
        most = limits.body.most_bytes
        self.early = EarlyRefusal(self._routes, admission, guard, log, self._identity, self._refusals, most)

    def add(self, *routes: Route) -> None:
        self._routes.add(*routes)

    def direct(self, method: bytes, target: bytes) -> Found | None:
        """The route of a request that may be answered directly; None for every other request."""
        if method != b"POST" or self.early.stopped:
            return None
        return self._routes.predictions.get(target) or self._routes.find_prediction(target)

    def answer_through_asgi(self) -> None:
        """From now on no answer passes by the middlewares that are around the transport."""
        self.early.stopped = True

    def begin(self, found: Found, exchange: DirectExchange) -> None:
        """Answer a request that arrived whole, as soon as it is known whether it is alone."""

        def start(alone: bool) -> None:
            exchange.alone = alone
            run(self._answer(*found, exchange), exchange.fail)

        self._turns.begin(start)

    def around(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> ASGIApp:
        """`app`, which has `routes`, with our routes in front of it.

        A path that neither has is answered here, in our form: BentoML would keep metrics for every path ever asked for.
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
                metric_buffer.flush()  # `/metrics` is among BentoML's routes
                await app({**scope, "headers": list(filter(_is_plain, scope["headers"]))}, receive, send)

        return outermost

    def _not_there(self, scope: Scope, routes: Sequence[BaseRoute]) -> UnrollError | None:
        """Why none of `routes` would take a request; None if one does."""
        for route in routes:
            match, _ = route.matches(scope)
            if match is Match.PARTIAL and isinstance(route, StarletteRoute):
                return self._kept_out(scope) or wrong_method(scope["method"], scope["path"], route.methods or ())
            if match is Match.FULL:
                return None
        ours = [route.path for route in self._routes.all if self._guard.has(route.scope)]
        theirs = [route.path for route in routes if isinstance(route, StarletteRoute)]
        return unknown_route(scope["path"], ours, theirs)

    def _kept_out(self, scope: Scope) -> UnrollError | None:
        return self._guard.refusal(scope["path"], dict(scope["headers"]))

    async def _answer(self, route: Route, path: Mapping[str, str], exchange: Exchange) -> None:
        begun = time.perf_counter()
        headers = exchange.headers
        identity = self._identity(headers)
        method = exchange.method if exchange.method in METHODS else OTHER
        CURRENT.set((identity[1], headers, None))
        trace = None
        status, outcome = UnrollError.status, UnrollError.slug
        try:
            key = self._guard.admit(headers, route.needs)
            trace = self._log.trace(headers, method, route.path, identity[1]) if self._log.tracing else None
            response = await self._handle(route, path, exchange, trace, key)
        except UnrollError as error:
            status, outcome = error.status, error.slug
            route.count(outcome)
            if error.example_helps and route.example is not None and (example := route.example(path)) is not None:
                error.extra["example"] = example
            await self._send_error(error, route, identity, exchange)
        except CallerGone:
            status, outcome = GONE, "caller-gone"
            route.count(outcome)
        except Exception:  # a fault of ours: the client gets an answer in the same form, the log gets the traceback
            logger.exception("%s %s failed", route.method, route.path)
            route.count(outcome)
            fault = UnrollError("the service failed to answer; its log says why.")
            await exchange.send(route.render_error(fault), identity)
        else:
            if isinstance(response, Overloaded):
                status, outcome = response.status, response.slug
                refusal = self.early.answer(route, response)
                await self._refusals.held()
                await exchange.send(refusal, identity)
            else:
                status, outcome = response.status, OK
                metric_buffer.add(route.answered)
                await exchange.send(response, identity)
                metric_buffer.add(route.seconds, time.perf_counter() - begun)
        metric_buffer.flush_soon()
        if trace is not None or outcome is not OK or self._log.samples:
            self._log.end(trace, method, route.path, status, outcome, time.perf_counter() - begun)

    async def _handle(
        self, route: Route, path: Mapping[str, str], exchange: Exchange, trace: RequestTrace | None, key: str | None
    ) -> Response | Overloaded:
        if exchange.method != route.method and not (route.method == "GET" and exchange.method == "HEAD"):
            raise wrong_method_of(route, exchange.method, self._routes.all)
        headers, limits = exchange.headers, self._limits
        deadline = time.monotonic() + timeout(headers, limits.timeout, limits.most_timeout)
        if route.method != "POST":
            return await route.handle(Request(b"", Caller(deadline, exchange.gone, trace), path, key))
        announced = announced_bytes(headers)
        if announced is not None and announced > limits.body.most_bytes:  # before a byte of it is read
            raise limits.body.too_large(f"{announced}")
        encoding = check_content(headers)
        if route.scope == "predict":  # an admin's request is needed most when too much waits
            refusal = self._admission.refusal(announced if encoding is None else None)  # the size of its content is unknown
            if refusal is not None:
                return refusal
        with Ticket(self._admission) as ticket:
            here = exchange.body
            if here is None:
                content = await body.read(exchange, limits.body, ticket)
            else:
                if len(here) > limits.body.most_bytes:
                    raise limits.body.too_large("more")
                content = ticket.hold(len(here)) or here
            if encoding is not None and not isinstance(content, Overloaded):
                exchange.body = b""  # it is here, and nothing of it is to be dropped
                content = await self._decompression.run(content, encoding, limits.body, ticket, deadline)
            if isinstance(content, Overloaded):
                return content
            ticket.arrive()
            caller = Caller(deadline, exchange.gone, trace, exchange.alone, ticket.size)
            handled = route.handle(Request(content, caller, path, key))
            exchange.body = None
            del content, here  # the handler drops the body after parsing, so that the next one reuses its memory
            return await handled

    async def _send_error(self, error: UnrollError, route: Route, identity: tuple[bytes, bytes], exchange: Exchange) -> None:
        """An error that came before the body was read closes the connection."""
        response = route.render_error(error)
        closing = response._replace(headers=(*response.headers, CLOSE))
        if isinstance(error, BodyTooLarge) and isinstance(exchange, AsgiExchange) and exchange.body is None:
            await body.answer_unread(exchange, closing, identity)
        else:
            await exchange.send(closing if isinstance(error, SlowBody) else response, identity)


def _is_plain(header: tuple[bytes, bytes]) -> bool:
    """Whether BentoML's layers may see the header. OpenTelemetry warns of each part of its own headers that it cannot read, and
    fails at some headers that are not ASCII."""
    name, value = header
    return name not in (b"baggage", b"tracestate") and value.isascii()
