"""A connection, with limits that uvicorn does not have: on headers, on how long a client may stall, on how many there are.
It builds on `early_answers.py`, where most of what an overload brings is refused.

uvicorn's httptools parser takes headers of any size and number, waits for them for ever, and waits for ever for a client
that does not read its answer.
"""

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Any, Final, NamedTuple

import httptools

from service.connection.declined_upgrades import behind_head, framing
from service.connection.early_answers import Refused, Refusing
from service.connection.stalling import Unread
from service.errors import HeadersTooLarge, NotHTTP, UnrollError
from service.http.direct import Direct, DirectExchange
from service.http.early_refusal import Shedding
from service.http.headers import TRAILERS
from service.http.routes import CLOSE, ErrorRenderer, Route
from service.http.too_many_connections import TooMany
from service.http.writing import written
from service.telemetry import metrics

SPARE: Final = 1024
"""So many connections beyond the most are told so; those beyond are hung up on."""
LINGER: Final = 1.0
"""Seconds for which a connection stays open after a refusal, what comes being dropped, so that the client gets to read it."""


class ConnectionLimits(NamedTuple):
    """Of one worker; bytes and seconds."""

    connections: int
    header_bytes: int  # of the request line and all headers
    header_count: int
    header_seconds: float  # for them to arrive
    write_seconds: float  # for a client that has stopped reading to read on
    unread_bytes: int  # of answers, of all connections


class _TooLarge(Exception):
    """Ends the parser; `_refused` says why."""


class Connection(Refusing):
    """What uvicorn makes for each connection."""

    def __init__(
        self,
        limits: ConnectionLimits,
        unread: Unread,
        shedding: Shedding | None,
        direct: Direct | None,
        render_error: ErrorRenderer,
        **uvicorns: Any,
    ) -> None:
        super().__init__(shedding, **uvicorns)
        self._direct = direct if not self.access_log else None
        # A request that may be answered directly, and the cycle before it.
        self._taken: tuple[Route, DirectExchange, Any] | None = None
        self._limits, self._unread, self._render_error = limits, unread, render_error
        self._in_head = False  # a part of a request's head is here, and not all
        self._moved = False  # in this chunk a head began, or something of a body was
        self._most = 0  # bytes that the head which is being read has at most
        self._least = 0  # and has at least; or what comes behind a body
        self._framing = b""  # of a body that is still to come, where its parser takes the head for all of the request
        self._refused: UnrollError | None = None
        self._stall: asyncio.TimerHandle | None = None  # runs while the client owes us the rest of something
        self._write_stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        beyond = len(self.connections) - self._limits.connections
        if beyond > 0:
            metrics.connections_refused.labels("connections").inc()
            if beyond > SPARE:
                transport.abort()
                return
            self.app = TooMany(self.app, self._limits.connections, self._render_error)
            self.shedding = self._direct = None
        self._owes_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owes_nothing()
        self._has_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        if self.many(data):
            self.read_in_pieces(data)
            return
        shedding, before = self.shedding, self.cycle
        refusing = shedding if shedding is not None and shedding.full and not self._in_head and self.between else None
        if refusing is not None and self.refuse_again(refusing, data):
            self._owes_nothing()
            return
        self._most = (self._most if self._in_head else 0) + len(data)
        self._moved = False
        self._feed(data)
        if self._taken is not None:
            self._begin(*self._taken)
        cycle = self.cycle
        if refusing is not None and cycle is not before and isinstance(cycle, Refused) and not cycle.more_body:
            refusing.learn(data, cycle.refusal)
        in_body = cycle is not None and cycle.more_body
        if self._refused is None and (self._in_head or in_body):
            self._least = 0 if self._moved else self._least + len(data)
            if self._least > self._limits.header_bytes:
                self._refuse(self._too_large())
            elif self._in_head and self._stall is None and not self.pipeline:  # else what it owes may be here, unread
                self._owes_more()

    def on_message_begin(self) -> None:
        self._in_head = self._moved = True
        self._unset_keepalive_if_required()  # not for any byte that comes: blank lines are no request (RFC 9112, 2.2)
        if self._stall is not None and self.cycle is not None:  # what stalled was the body before
            self._owes_nothing()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._stall is not None:
            self._owes_nothing()
        limits, headers = self._limits, self.headers
        # Only where what came could be too much is it added up.
        if len(headers) > limits.header_count or (
            self._most > limits.header_bytes
            and len(self.url) + sum(map(len, chain.from_iterable(headers))) + 4 * len(headers) > limits.header_bytes
        ):
            self._refused = self._too_large()
            raise _TooLarge
        if (self.shedding is None or not self.shedding.full or not self.refuse_early(self.shedding)) and not self._take():
            super().on_headers_complete()
            if self.parser.should_upgrade():
                self._framing = framing(headers)
        self.headers = TRAILERS

    def on_body(self, body: bytes) -> None:
        cycle, self._moved = self.cycle, True
        if isinstance(cycle, Refused) or cycle.response_complete:
            return
        if isinstance(cycle, DirectExchange):
            cycle.add(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._framing:
            return
        super().on_message_complete()
        cycle = self.cycle
        if cycle.response_complete and cycle.more_body:  # the rest of a body whose answer was sent before it came
            cycle.more_body = False
            self._owes_nothing()
            if cycle.keep_alive and not self.transport.is_closing():
                self.idles()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        cycle = self.cycle
        if cycle.more_body or not cycle.keep_alive:
            self._unfinished()

    def idles(self) -> None:
        if self._in_head:
            if self._stall is None:
                self._owes_more()
        elif not self.cycle.more_body:
            super().idles()

    def pause_writing(self) -> None:
        """The client has not read what was written."""
        super().pause_writing()
        self._is_to_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_read()

    def _take(self) -> bool:
        """Whether the request whose headers are complete is answered directly, if its body is also in this read."""
        if self._direct is None or not self.usual:
            return False
        route = self._direct.direct(self.parser.get_method(), self.url)
        if route is None or any(name == b"origin" for name, _ in self.headers):  # a web page's, for `security/cors.py`
            return False
        exchange = DirectExchange(self.transport, self.headers, self.server_state.default_headers, self.on_response_complete)
        self._taken = route, exchange, self.cycle
        self.cycle = exchange  # type: ignore[assignment]
        return True

    def _begin(self, route: Route, exchange: DirectExchange, before: Any) -> None:
        """The read is parsed: answer directly, or give an incomplete request to uvicorn."""
        self._taken = None
        if not exchange.more_body and self._direct is not None:
            self._direct.begin(route, exchange)
        elif self._refused is None:
            self.cycle, self.headers = before, exchange.pairs
            super().on_headers_complete()
            self.headers = TRAILERS
            if exchange.body:
                super().on_body(exchange.body)

    def _feed(self, data: bytes) -> None:
        """To the parser, which stops behind the head of each request that offers an upgrade; none is ever taken."""
        rest, lines = memoryview(data), b""
        while rest or lines:
            try:
                if lines:
                    self.parser = behind_head(self, lines)
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                lines, self._framing = self._framing, b""
            except httptools.HttpParserError:
                self._refuse(self._refused or NotHTTP("expected a request of HTTP/1.1; received something else."))
                return

    def _unfinished(self) -> None:
        """An answer has been written, and that is not all."""
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._is_to_read()
        elif self.cycle.response_complete and self.cycle.more_body and self._stall is None:
            # Answered before its body was here, which nobody waits for any more.
            self._owes_more()

    def _refuse(self, error: UnrollError) -> None:
        """Answer, drop what comes from now on, and close in a while."""
        self._refused = error
        self._owes_nothing()
        metrics.requests.labels("other", error.slug).inc()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if isinstance(cycle, Refused) or cycle.response_started or not cycle.more_body or self.pipeline:
                cycle.keep_alive = False  # the answer to an earlier request is being made: it is the last one
                return
            cycle.disconnected = True  # it is this one's body that is wrong, and nobody needs to wait for the rest
            cycle.message_event.set()
        if cycle is None or not cycle.response_complete or not cycle.more_body:  # else it has had its answer
            headers = [*self.server_state.default_headers, CLOSE]
            self.transport.write(written(self._render_error(error), headers))
        self.loop.call_later(LINGER, self.transport.abort)

    def _too_large(self) -> HeadersTooLarge:
        metrics.connections_refused.labels("headers").inc()
        most = self._limits
        detail = f"expected at most {most.header_count} headers and {most.header_bytes} bytes of them; received more."
        return HeadersTooLarge(detail, max_headers=most.header_count, max_header_bytes=most.header_bytes)

    def _end(self, reason: str) -> None:
        metrics.connections_refused.labels(reason).inc()
        self.transport.abort()

    def _owes_more(self) -> None:
        self._stall = self.loop.call_later(self._limits.header_seconds, self._end, "header-seconds")

    def _owes_nothing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _is_to_read(self) -> None:
        if self._write_stall is None:
            self._unread.leaves(self.transport)
            self._write_stall = self.loop.call_later(self._limits.write_seconds, self._reads)

    def _reads(self) -> None:
        """Wait on for a client that is slow; not for one that has read nothing for so long."""
        if self._unread.leaves(self.transport):
            self._write_stall = self.loop.call_later(self._limits.write_seconds, self._reads)
        else:
            self._end("write-seconds")

    def _has_read(self) -> None:
        if self._write_stall is not None:
            self._unread.read(self.transport)
            self._write_stall.cancel()
            self._write_stall = None


def connections(
    limits: ConnectionLimits, shedding: Shedding | None, render_error: ErrorRenderer, direct: Direct | None = None
) -> Callable[..., Connection]:
    """What to give uvicorn for its `http`."""

    unread = Unread(limits.unread_bytes)

    def connection(**uvicorns: Any) -> Connection:
        return Connection(limits, unread, shedding, direct, render_error, **uvicorns)

    return connection
