"""How those are answered who find too much waiting (429): cheaply, for under an overload they are most of what comes.

The time that a refusal takes is time that those let in wait for. So most are refused by their connection (`connections.py`)
once their headers are here, before there is a task and a body: 20 us instead of 50 for a body of 28 kB. What `early` cannot
be sure of goes the usual way, and is refused there, if it is, with the same answer.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from prometheus_client import Counter as Metric

from service import metrics
from service.admission import Admission
from service.errors import Overloaded, UnrollError
from service.guard import Guard
from service.headers import RequestIds, announced_bytes, check_content_type, timeout
from service.observing import Observer
from service.rates import Allowance
from service.routes import Response, Route, Routes

logger = logging.getLogger(__name__)
HOLD_SECONDS: Final = 0.002
"""How long a 429 is held back, in seconds. Clients that ask again at once would otherwise keep the event loop busy with
refusing them: 16 of them took 85 % of the goodput."""
PER_SECOND: Final = 7_500
"""So many 429s a second are held no longer than that; they have a third of the event loop's time. What is more waits its turn.
Without it 256 clients that asked again at once left a tenth of the goodput, and a thousand a fiftieth; now the half."""
MOST_HOLD_SECONDS: Final = 0.25
"""But not for longer than that: a crowd that opens a connection for each request must not have taken them all meanwhile."""


class Shedding:
    """`most_bytes` that a body may have; more than that is not what a 429 is for."""

    def __init__(
        self, routes: Routes, admission: Admission, guard: Guard, observer: Observer, ids: RequestIds, most_bytes: int
    ) -> None:
        self._routes, self._admission, self._guard, self._observer, self._ids = routes, admission, guard, observer, ids
        self._most_bytes = most_bytes
        self._stopped = False
        self._held: deque[tuple[float, Callable[[], None]]] = deque()  # until when at most, on the loop's clock
        self._turns = Allowance(PER_SECOND)
        self._uncounted: list[tuple[Metric, Metric]] = []  # of those held; counted all at once, for each costs 2 us
        self._reasons = {reason: metrics.shed.labels(reason) for reason in ("time", "bytes")}
        self._rendered: Callable[[Any, UnrollError], Response] = lru_cache(4)(
            lambda render, error: render(error)
        )  # once, for as long as admission repeats it

    @property
    def full(self) -> bool:
        """Whether `early` may have something to refuse."""
        return self._admission.full and not self._stopped

    def stop(self) -> None:
        """Leave every refusal to the usual way: whatever is around the application has a say in each from now on."""
        self._stopped = True

    def early(self, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Response | None:
        """The refusal of a request whose headers are here; None where it must go the usual way."""
        begun = time.perf_counter()
        found = self._routes.find(target.decode("latin-1")) if method == b"POST" else None
        if found is None or found[0].method != "POST" or found[0].scope != "predict":
            return None
        route, stated = found[0], dict(headers)
        size = announced_bytes(stated)
        if size is None or size > self._most_bytes or b"origin" in stated:  # the last is for `browsers.py`
            return None
        error = self._admission.refusal(size)
        if error is None:
            return None
        try:
            timeout(stated, 1.0, 1.0)
            check_content_type(stated)
            self._guard.admit(stated, route.scope)  # last, for it counts against the key's rate
        except UnrollError:  # which is to be said rather than that too much is waiting
            return None
        identity = self._ids(stated)
        response = self.answer(route, error)
        seconds = time.perf_counter() - begun
        self._observer.see(stated, route.method, route.path, identity[1], error.status, error.slug, seconds)
        return response._replace(headers=(*response.headers, identity))

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
