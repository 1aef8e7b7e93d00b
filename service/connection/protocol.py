"""A connection: uvicorn's protocol with limits, early answers, and requests that are answered directly.

uvicorn's httptools protocol takes headers of any size and number, and waits for ever for a client that sends nothing or reads
nothing. Each limit is an object of its own in this room; this class tells them what the parser and the transport report.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, Final

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.connection.declined_upgrades import DeclinedUpgrades
from service.connection.early_answers import RefusedRequest
from service.connection.idle_timeout import IdleTimeout
from service.connection.limits import SPARE
from service.connection.pipelining import PIECE, Flow, could_be_many, in_pieces
from service.connection.request_head import RequestHead
from service.connection.shared import Shared
from service.connection.stalling import StallTimer, UnreadAnswer
from service.errors import UnrollError
from service.http.early_refusal import EarlyRefusal, Refusal
from service.http.head_rules import LINE, is_rtsp, unparsed
from service.http.headers import TRAILERS
from service.http.messages import CLOSE, response_bytes
from service.http.routes import Found
from service.http.too_many_connections import TooMany
from service.http.uvicorn_cycle import DirectExchange, StandIn
from service.telemetry import metrics

LINGER: Final = 1.0
"""Seconds for which a connection stays open after a refusal, so that the client can read it; what arrives is dropped."""


class _HeadRefused(Exception):
    """Ends the parser; `_refused` says why."""


class Connection(HttpToolsProtocol):
    """What uvicorn makes for each connection."""

    def __init__(self, shared: Shared, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        limits, loop = shared.limits, self.loop
        self._shared, self._early = shared, shared.early
        self._direct = shared.direct if not self.access_log else None
        self._head = RequestHead(limits, shared.rules)
        self._owed = StallTimer(loop, limits.header_seconds, partial(self._abort, "header-seconds"))
        self._unread = UnreadAnswer(loop, limits.write_seconds, shared.unread, partial(self._abort, "write-seconds"))
        self._idle = IdleTimeout(loop, self.timeout_keep_alive, self._idle_expired)
        self._unparsed = deque[bytes]()  # arrived, while a parsed request waits for its turn
        self._running: RequestResponseCycle | None = None  # the request whose turn it is, or was last; `cycle` was read last
        self._taken: tuple[Found, DirectExchange, Any] | None = None  # for a direct answer; and the cycle before it
        self._upgrades = DeclinedUpgrades()
        self._refused: UnrollError | None = None  # nothing is read any more

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        most = self._shared.limits.connections
        beyond = len(self.connections) - most
        if beyond > 0:
            metrics.connections_refused.labels("connections").inc()
            if beyond > SPARE:
                transport.abort()
                return
            self.app = TooMany(self.app, most, self._shared.render_error)
            self._early = self._direct = None
        self._owed.start()

    def connection_lost(self, exc: Exception | None) -> None:
        if (running := self._running) is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self.pipeline.clear()
        self._unparsed.clear()
        for timer in (self._owed, self._unread, self._idle):
            timer.close()  # without their callbacks the connection is in no cycle, and freed at once
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        if self.pipeline or (len(data) > PIECE and could_be_many(data)):
            self._unparsed.extend(in_pieces(data))
            self._parse_on()
            return
        before, head = self.cycle, self._head
        early = self._overloaded if not head.reading and self._between else None
        if early is not None and not self.flow.write_paused and (refusal := early.again(data)) is not None:
            self._idle.end()
            self._owed.stop()
            self._refuse_early(early, refusal, more_body=False)
            return
        head.read_begins(len(data))
        if data.find(b" RTSP/", 0, LINE) > 0 and not head.reading and not (before and before.more_body) and is_rtsp(data):
            self._refuse(unparsed("RTSP"))
            return
        self._parse(data)
        if self._taken is not None:
            self._begin(*self._taken)
        cycle: Any = self.cycle
        if early is not None and cycle is not before and isinstance(cycle, RefusedRequest) and not cycle.more_body:
            early.learn(data, cycle.refusal)
        if self._refused is None and (head.reading or (cycle is not None and cycle.more_body)):
            if (error := head.read_ends(len(data))) is not None:
                self._refuse(error)
            elif head.reading and not self.pipeline:  # else the rest may be here, unparsed
                self._owed.start()

    def on_message_begin(self) -> None:
        self._head.head_begins()
        self._idle.end()  # not for any byte that comes: blank lines are no request (RFC 9112, 2.2)
        if self._owed.timer is not None and self.cycle is not None:  # the body before is complete
            self._owed.stop()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._owed.timer is not None:
            self._owed.stop()
        version, stated = self.parser.get_http_version(), dict(self.headers)
        self._refused = self._head.head_ends(version, self.url, self.headers, stated)
        if self._refused is not None:
            raise _HeadRefused
        if version != "1.1" or not self._plain or not (self._answer_early(stated) or self._take(stated)):
            self.expect_100_continue = self.expect_100_continue and version == "1.1"
            super().on_headers_complete()
            if self.parser.should_upgrade():
                self._upgrades.head_ends(self.headers)
        self.headers = TRAILERS

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        self._head.body_comes()
        if isinstance(cycle, DirectExchange):
            cycle.add(body)
        elif not isinstance(cycle, StandIn) and not cycle.response_complete:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrades.framing:
            return
        super().on_message_complete()
        cycle = self.cycle
        if cycle.response_complete and cycle.more_body:  # the rest of a body whose answer was sent before it came
            cycle.more_body = False
            self._owed.stop()
            if cycle.keep_alive and not self.transport.is_closing():
                self._idles()

    def on_response_complete(self) -> None:
        """In place of uvicorn's, which sets a timer for each answer and reads on whatever waits."""
        self.server_state.total_requests += 1
        if self._running is not None:
            self._running.body = b""  # type: ignore[assignment]  # an unread body would stay until the next request
        if not self.transport.is_closing():
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self._idles()
            if not self.pipeline:
                self._parse_on()
        cycle = self.cycle
        if cycle.more_body or not cycle.keep_alive:
            self._unfinished()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.begins(self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._idle.begin_again()
        self._unread.ends()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _between(self) -> bool:
        """Whether the request before, if there was one, has come whole and been answered."""
        cycle = self.cycle
        return cycle is None or (cycle.response_complete and not cycle.more_body)

    @property
    def _overloaded(self) -> EarlyRefusal | None:
        """What refuses requests early, while too much waits."""
        early = self._early
        return early if early is not None and early.admission.full and not early.stopped else None

    @property
    def _plain(self) -> bool:
        """Whether a request of HTTP/1.1 needs no cycle of uvicorn: kept alive, no upgrade, nothing expected, none before it."""
        parser, before = self.parser, self.cycle
        return (
            (before is None or before.response_complete)
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
        )

    def _answer_early(self, stated: dict[bytes, bytes]) -> bool:
        """Refuse the request whose head is here, if that can be done here. Whether it was done."""
        early = self._overloaded
        if early is None or (refusal := early.early(self.parser.get_method(), self.url, stated)) is None:
            return False
        self._refuse_early(early, refusal, more_body=True)
        return True

    def _refuse_early(self, early: EarlyRefusal, refusal: Refusal, more_body: bool) -> None:
        state, finish = self.server_state, self.on_response_complete
        self.cycle = RefusedRequest(early, refusal, self.transport, state, finish, more_body)  # type: ignore[assignment]

    def _take(self, stated: dict[bytes, bytes]) -> bool:
        """Whether the request whose head is here is answered directly, if its body is also in this read."""
        found = None if self._direct is None else self._direct.direct(self.parser.get_method(), self.url)
        if found is None or b"origin" in stated:  # `security/cors.py` answers web pages
            return False
        defaults, finish = self.server_state.default_headers, self.on_response_complete
        exchange = DirectExchange(self.transport, self.headers, stated, defaults, finish)
        self._taken = found, exchange, self.cycle
        self.cycle = exchange  # type: ignore[assignment]
        return True

    def _begin(self, found: Found, exchange: DirectExchange, before: Any) -> None:
        """The read is parsed: answer directly, or give an incomplete request to uvicorn."""
        self._taken = None
        if not exchange.more_body and self._direct is not None:
            self._direct.begin(found, exchange)
        elif self._refused is None:
            self.cycle, self.headers = before, exchange.pairs
            super().on_headers_complete()
            self.headers = TRAILERS
            if exchange.body:
                super().on_body(exchange.body)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._upgrades.go_on(self, memoryview(data)[upgrade.args[0] :]):
                self._refuse(self._refused or unparsed(""))
        except httptools.HttpParserError as error:
            self._refuse(self._refused or unparsed(str(error), data))

    def _parse_on(self) -> None:
        while self._unparsed and not self.pipeline:
            self.data_received(self._unparsed.popleft())
        if self.flow.read_paused:
            self.flow.resume_reading()

    def _idles(self) -> None:
        """Every request that is here has been answered."""
        if self._head.reading:
            self._owed.start()
        elif not self.cycle.more_body:
            self._idle.begin()

    def _idle_expired(self) -> bool:
        """Whether to wait on."""
        if self.flow.write_paused:  # the client reads, however slowly; if not, `_unread` ends it
            return True
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait for the client to read
        self.timeout_keep_alive_handler()
        return False

    def _unfinished(self) -> None:
        """An answer has been written, and that is not all."""
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._unread.begins(self.transport)
        elif self.cycle.response_complete and self.cycle.more_body:  # nobody waits for the rest of its body any more
            self._owed.start()

    def _refuse(self, error: UnrollError) -> None:
        """Answer, drop what comes from now on, and close in a while."""
        self._refused = error
        self._owed.stop()
        metrics.requests.labels("other", error.slug).inc()
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            if isinstance(cycle, RefusedRequest) or cycle.response_started or not cycle.more_body or self.pipeline:
                cycle.keep_alive = False  # the answer to an earlier request is being made: it is the last one
                return
            cycle.disconnected, cycle.waiting_for_100_continue = True, False  # its own body is wrong: nobody wants the rest
            cycle.message_event.set()
        if cycle is None or not cycle.response_complete or not cycle.more_body:  # else it has had its answer
            headers = [*self.server_state.default_headers, CLOSE]
            self.transport.write(response_bytes(self._shared.render_error(error), headers))
        self.loop.call_later(LINGER, self.transport.abort)

    def _abort(self, reason: str) -> None:
        metrics.connections_refused.labels(reason).inc()
        self.transport.abort()
