"""How those are answered who find too much waiting (429): cheaply, for under an overload they are most of what comes.

The time that a refusal takes is time that those let in wait for. So most are refused by their connection (`early_answers.py`)
once their headers are here, before there is a task and a body, and most of those without their headers being read again: 24 us
of the event loop for a body of 41 kB, half of them the kernel's. What `early` cannot be sure of goes the usual way, and is
refused there, if it is, with the same answer.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from prometheus_client import Counter as Metric

from service.errors import Overloaded, UnrollError
from service.http.headers import RequestIds, announced_bytes, check_content_type, timeout
from service.http.routes import Response, Route, Routes
from service.http.writing import written
from service.overload.admission import Admission
from service.security.guard import Guard
from service.telemetry import metrics
from service.telemetry.request_log import Observer
from service.token_bucket import TokenBucket

logger = logging.getLogger(__name__)
HOLD_SECONDS: Final = 0.002
"""How long a 429 is held back, in seconds. Clients that ask again at once would otherwise keep the event loop busy with
refusing them: 16 of them took 85 % of the goodput."""
PER_SECOND: Final = 10_000
"""So many 429s a second are held no longer than that; they take a quarter of the event loop. What is more waits its turn.
Without it 256 clients that asked again at once left a tenth of the goodput, and a thousand a fiftieth; now about two thirds."""
MOST_HOLD_SECONDS: Final = 0.25
"""But not for longer than that: a crowd that opens a connection for each request must not have taken them all meanwhile."""


NOT_LEARNT: Final = frozenset(
    {b"authorization", b"x-api-key", b"cookie", b"x-request-id", b"traceparent", b"transfer-encoding", b"expect"}
)
"""A head is not learnt that has one of these headers: secrets, what is new with each request, and what could make of its body
something else than so many bytes."""
MOST_KNOWN, MOST_HEAD_BYTES = 64, 1024
"""How many heads are known, the oldest being forgotten, and how long one may be."""


class Asked(NamedTuple):
    """All that matters of a head: it asks for a prediction and could be let in."""

    route: Route
    headers: dict[bytes, bytes]
    size: int  # of the body that it announces


class Refusal(NamedTuple):
    asked: Asked
    response: Response
    request_id: bytes


class Shedding:
    """`most_bytes` that a body may have; more than that is not what a 429 is for."""

    def __init__(
        self, routes: Routes, admission: Admission, guard: Guard, observer: Observer, ids: RequestIds, most_bytes: int
    ) -> None:
        self._routes, self._admission, self._guard, self._observer, self._ids = routes, admission, guard, observer, ids
        self._most_bytes = most_bytes
        self.stopped = False
        self._known: dict[bytes, Asked] = {}  # by all of the head's bytes
        self._start: tuple[Response | None, object, bytes] = None, None, b""  # of an answer, up to its id
        self._held: deque[tuple[float, Callable[[], None]]] = deque()  # until when at most, on the loop's clock
        self._turns = TokenBucket(PER_SECOND)
        self._uncounted: list[tuple[Metric, Metric]] = []  # of those held; counted all at once, for each costs 2 us
        self._reasons = {reason: metrics.shed.labels(reason) for reason in ("time", "bytes")}
        self._rendered: Callable[[Any, UnrollError], Response] = lru_cache(4)(
            lambda render, error: render(error)
        )  # once, for as long as admission repeats it

    @property
    def full(self) -> bool:
        """Whether `early` may have something to refuse."""
        return self._admission.full and not self.stopped

    def stop(self) -> None:
        """Leave every refusal to the usual way: whatever is around the application has a say in each from now on."""
        self.stopped = True

    def early(self, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
        """The refusal of a request whose headers are here; None where it must go the usual way."""
        asked = self._asked(method, target, headers)
        return None if asked is None else self._refusal(asked)

    def learn(self, data: bytes, refusal: Refusal) -> None:
        """The request to which `early` gave this began and ended in `data`, which came between two requests."""
        asked, head = refusal.asked, _head(data)
        if len(data) == len(head) + asked.size and NOT_LEARNT.isdisjoint(asked.headers):
            if len(self._known) == MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[head] = asked

    def again(self, data: bytes) -> Refusal | None:
        """The refusal of a request that is here whole and whose head has been learnt; None where it must be read."""
        head = _head(data)
        asked = self._known.get(head)
        return self._refusal(asked) if asked is not None and len(data) == len(head) + asked.size else None

    def _asked(self, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Asked | None:
        """None for what is not to be refused here."""
        route = self._routes.prediction(method, target)
        if route is None:
            return None
        stated = dict(headers)
        size = announced_bytes(stated)
        if size is None or size > self._most_bytes or b"origin" in stated:  # the last is for `security/cors.py`
            return None
        try:
            timeout(stated, 1.0, 1.0)
            check_content_type(stated)
        except UnrollError:  # which is to be said rather than that too much is waiting
            return None
        return Asked(route, stated, size)

    def _refusal(self, asked: Asked) -> Refusal | None:
        begun, (route, stated, size) = time.perf_counter(), asked
        error = self._admission.refusal(size)
        if error is None:
            return None
        try:
            self._guard.admit(stated, route.scope)  # last, for it counts against the key's rate
        except UnrollError:
            return None
        refusal = Refusal(asked, self.answer(route, error), self._ids(stated)[1])
        self._observer.see(stated, route.method, route.path, refusal.request_id, error.status, error.slug, begun)
        return refusal

    def written(self, refusal: Refusal, headers: list[tuple[bytes, bytes]]) -> bytes:
        """As it goes over the wire, `headers` first: uvicorn's own, another list each second."""
        _, response, request_id = refusal
        if self._start[0] is not response or self._start[1] is not headers:
            self._start = response, headers, written(response, headers)[: -len(response.body) - len(b"\r\n")]
        return b"%bx-request-id: %b\r\n\r\n%b" % (self._start[2], request_id, response.body)

    def answer(self, route: Route, error: Overloaded) -> Response:
        """To a request that is refused; it is counted with others, within HOLD_SECONDS."""
        self._uncounted.append((route.shed, self._reasons[error.extra["reason"]]))
        return self._rendered(route.render_error, error)

    def hold(self, release: Callable[[], None]) -> None:
        """Call `release` when HOLD_SECONDS have passed since the first that is held, and it is its turn: one timer for all."""
        loop = asyncio.get_running_loop()
        if not self._held:
            loop.call_later(HOLD_SECONDS, self._release)
        self._held.append((loop.time() + MOST_HOLD_SECONDS, release))

    async def held(self) -> None:
        """Until what is held now is let go."""
        released = asyncio.Event()
        self.hold(released.set)
        await released.wait()

    def _release(self) -> None:
        uncounted, self._uncounted = self._uncounted, []
        try:
            for counted, number in Counter(uncounted).items():
                for metric in counted:
                    metric.inc(number)
        except Exception:  # they are to be sent all the same
            logger.exception("refusals could not be counted")
        loop, held = asyncio.get_running_loop(), self._held
        now = loop.time()
        while held and (self._turns.take() or held[0][0] <= now):
            _, release = held.popleft()
            try:
                release()
            except Exception:  # the others must not be held for ever
                logger.exception("a refusal could not be sent")
        if held:
            loop.call_later(HOLD_SECONDS, self._release)


def _head(data: bytes) -> bytes:
    """All up to the first blank line; what is no key of the known heads where there is none."""
    return data[: data.find(b"\r\n\r\n", 0, MOST_HEAD_BYTES) + len(b"\r\n\r\n")]
