"""Refuses a request (429) as soon as its headers are read: no task is made for it, and its body is dropped.

Under an overload most requests are refused. A refusal here takes 24 us of the event loop for a body of 41 kB, half of them the
kernel's. A head that was refused before and comes again, byte for byte, is not even parsed. A request that this module cannot
judge is refused by the transport, with the same answer.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from service.errors import Overloaded, UnrollError
from service.http.headers import RequestIds, announced_bytes, check_content, timeout
from service.http.messages import Headers, Response, response_bytes
from service.http.routes import Route, Routes
from service.overload.admission import Admission
from service.overload.refusals import Refusals
from service.security.key_check import Guard
from service.telemetry.request_log import RequestLog

logger = logging.getLogger(__name__)
NOT_LEARNT: Final = frozenset(
    {b"authorization", b"x-api-key", b"cookie", b"x-request-id", b"traceparent", b"transfer-encoding", b"expect"}
)
"""Heads with one of these headers are not remembered: they hold secrets, or change with each request, or change where the body
ends."""
MOST_KNOWN, MOST_HEAD_BYTES = 64, 1024
"""So many heads are remembered, the oldest being forgotten; and of so many bytes at most."""


class Asked(NamedTuple):
    """All that matters of a head: it asks for a prediction and could be admitted."""

    route: Route
    headers: dict[bytes, bytes]
    size: int  # of the body that it announces


class Refusal(NamedTuple):
    asked: Asked
    response: Response
    request_id: bytes


class EarlyRefusal:
    """`most_bytes` that a body may have: a larger one is not refused with 429."""

    def __init__(
        self,
        routes: Routes,
        admission: Admission,
        guard: Guard,
        log: RequestLog,
        ids: RequestIds,
        refusals: Refusals,
        most_bytes: int,
    ) -> None:
        self._routes, self.admission, self._guard, self._log, self._ids = routes, admission, guard, log, ids
        self._refusals, self._most_bytes = refusals, most_bytes
        self.stopped = False  # the transport refuses: middlewares around it change each answer
        self.hold = refusals.hold
        self._known: dict[bytes, Asked] = {}  # by all bytes of the head
        self._start: tuple[Response | None, object, bytes] = None, None, b""  # of an answer, up to its id
        self._rendered: Callable[[Any, UnrollError], Response] = lru_cache(4)(lambda render, error: render(error))
        # admission repeats one refusal for a while: it is rendered once

    def early(self, method: bytes, target: bytes, headers: dict[bytes, bytes]) -> Refusal | None:
        """The refusal of a request whose headers are read; None if the transport must judge it. Raises nothing: the parser
        would make a 400 of it."""
        try:
            asked = self._asked(method, target, headers)
            return None if asked is None else self._refusal(asked)
        except Exception:
            logger.exception("refusing early failed; the transport judges the request")
            return None

    def learn(self, data: bytes, refusal: Refusal) -> None:
        """Remember the head of a request that `early` refused and that is all of `data`."""
        asked, head = refusal.asked, _head(data)
        if len(data) == len(head) + asked.size and NOT_LEARNT.isdisjoint(asked.headers):
            if len(self._known) == MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[head] = asked

    def again(self, data: bytes) -> Refusal | None:
        """The refusal of `data`, if it is a whole request with a head that is remembered. Raises nothing: that would end the
        connection."""
        try:
            head = _head(data)
            asked = self._known.get(head)
            return self._refusal(asked) if asked is not None and len(data) == len(head) + asked.size else None
        except Exception:
            logger.exception("refusing again failed; the request is parsed")
            return None

    def _asked(self, method: bytes, target: bytes, stated: dict[bytes, bytes]) -> Asked | None:
        """None for what is not to be refused here."""
        found = self._routes.find_prediction(target) if method == b"POST" else None
        if found is None:
            return None
        size = announced_bytes(stated)
        if size is None or size > self._most_bytes or b"origin" in stated:  # `security/cors.py` answers web pages
            return None
        try:
            timeout(stated, 1.0, 1.0)
            check_content(stated)
        except UnrollError:  # which the client should rather know
            return None
        return Asked(found.route, stated, size)

    def _refusal(self, asked: Asked) -> Refusal | None:
        begun, (route, stated, size) = time.perf_counter(), asked
        error = self.admission.refusal(size)
        if error is None:
            return None
        try:
            self._guard.admit(stated, route.needs)  # last, because it counts against the key's rate
        except UnrollError:
            return None
        refusal = Refusal(asked, self.answer(route, error), self._ids(stated)[1])
        self._log.see(stated, route.method, route.path, refusal.request_id, error.status, error.slug, begun)
        return refusal

    def written(self, refusal: Refusal, headers: Headers) -> bytes:
        """As bytes, `headers` first: uvicorn's own, which it makes anew every second."""
        _, response, request_id = refusal
        if self._start[0] is not response or self._start[1] is not headers:
            self._start = response, headers, response_bytes(response, headers)[: -len(response.body) - len(b"\r\n")]
        return b"%bx-request-id: %b\r\n\r\n%b" % (self._start[2], request_id, response.body)

    def answer(self, route: Route, error: Overloaded) -> Response:
        """The answer to a refused request; counts it."""
        self._refusals.count(route.overloaded, error.extra["reason"])
        return self._rendered(route.render_error, error)


def _head(data: bytes) -> bytes:
    """All up to the first blank line; where there is none, nothing that is remembered."""
    return data[: data.find(b"\r\n\r\n", 0, MOST_HEAD_BYTES) + len(b"\r\n\r\n")]
