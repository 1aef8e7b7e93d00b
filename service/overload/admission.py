"""How much may wait: requests beyond a limit are refused at once, so that admitted requests are answered as fast as before.

There are two limits: the bytes of requests, known before a body is read, and the queueing time. The queueing time is estimated
from recent throughput, which is measured only while requests are waiting.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import Overloaded

WINDOW_SECONDS = 0.1
"""Shortest time over which throughput is measured."""
REQUEST_COST = 2**12
"""The fixed cost of a request, as bytes of a body that take as long. Without it throughput after small requests of 50 bytes
would be a hundredth of that of large ones, and the first large requests would look like an overload. Measured: 60 us for a
request in a shared batch, five times that for one alone; 25 to 35 ns a byte."""
FEW_REQUESTS, SMALL_BYTES = 32, 2**11
"""So many requests of at most so many bytes are never an overload, however low recent throughput was."""
TIMES_OWN_WORK = 8
"""A request is admitted if at most so many times its own work is waiting: a few clients with ten thousand rows each are no
overload, and none of them expects an answer sooner."""
LOW_WATER = 0.5
"""Share of the limit under which the queueing time must fall before requests are admitted again. Without it many requests are
read in the moment between two refusals, only to be refused: goodput at twice and five times capacity 0.88 and 0.67, not 0.91
and 0.74."""
REPEAT_SECONDS = 0.01
"""For so long one refusal is repeated: wording thousands a second took a tenth of the goodput."""


class Admission:
    """`refusal` says whether a request is admitted; its `Ticket` counts it from then on."""

    def __init__(self, most_bytes: int, most_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes, self._most_seconds, self._clock = most_bytes, most_seconds, clock
        self._held = 0  # bytes received of requests that are not answered; announced bytes take no memory
        self._waiting = 0  # work of the requests that wait for their answers
        self.waiting_requests = 0  # requests that have arrived completely and wait for their answers
        self._rate = math.inf  # work a second; not known yet
        self.full = False  # whether requests are refused for their queueing time
        # of the throughput's window: its start or the last idle end, seconds with waiting requests, work answered
        self._since, self._busy, self._answered = 0.0, 0.0, 0
        self._refusals: dict[str, tuple[float, Overloaded]] = {}  # reason -> until when to repeat it

    @property
    def waiting_bytes(self) -> int:
        """Bytes received of requests that are not answered."""
        return self._held

    def refusal(self, size: int | None) -> Overloaded | None:
        """Why a request with a body of `size` bytes is refused; None if it is admitted. `size` None: it is not announced."""
        if self.full and not (
            size is not None
            and (
                self._waiting <= TIMES_OWN_WORK * (size + REQUEST_COST)
                or (size <= SMALL_BYTES and self.waiting_requests < FEW_REQUESTS)
            )
        ):
            return self._overloaded("time", self._waiting)
        return None if size is None or self._fits(size, 0) else self._overloaded("bytes", self._held)

    def hold(self, size: int, so_far: int = 0) -> Overloaded | None:
        """Hold `size` more bytes of a body, after `so_far` others. If there is no room, hold none and return why."""
        if not self._fits(size, so_far):
            return self._overloaded("bytes", self._held)
        self._held += size
        return None

    def arrive(self, size: int) -> None:
        """A whole body has arrived. From now on the request waits for its answer; before, it waited for its client."""
        if not self.waiting_requests:
            self._since = self._clock()
        self._count(size + REQUEST_COST, 1)

    def give_up(self, size: int) -> None:
        """`size` bytes are held no more: the rest of their body will not come, or what was in them is held."""
        self._held -= size

    def leave(self, size: int) -> None:
        """A request whose whole body had arrived has been answered."""
        self._held -= size
        work = size + REQUEST_COST
        self._answered += work
        now = self._clock()
        busy = self._busy + now - self._since
        if busy > WINDOW_SECONDS:
            rate = self._answered / busy
            self._rate = rate if self._rate == math.inf else 0.5 * (self._rate + rate)
            self._since, self._busy, self._answered = now, 0.0, 0
        self._waits_no_more(work, now)

    @contextmanager
    def aside(self, size: int) -> Iterator[None]:
        """In this context a request waits for something else than a model, and is not counted. `size` 0: never counted."""
        if size:
            self._waits_no_more(size + REQUEST_COST, self._clock())
        try:
            yield
        finally:
            if size:
                self.arrive(size)

    def _waits_no_more(self, work: int, now: float) -> None:
        self._count(-work, -1)
        if not self.waiting_requests:
            self._busy += now - self._since

    def _count(self, work: int, requests: int) -> None:
        self._waiting += work
        self.waiting_requests += requests
        self.full = self._waiting > (LOW_WATER if self.full else 1.0) * self._most_seconds * self._rate

    def _seconds(self, waiting: int) -> float:
        """The time that so much work takes."""
        return waiting / self._rate

    def _fits(self, size: int, so_far: int) -> bool:
        """Whether so many more bytes of a body fit. Small bodies always do, and so does the only request."""
        return so_far + size <= SMALL_BYTES or self._held <= so_far or self._held + size <= self._most_bytes

    def _overloaded(self, reason: str, waiting: int) -> Overloaded:
        """`waiting`: the work, or the bytes, that are too much."""
        now = self._clock()
        until, refusal = self._refusals.get(reason, (now, None))
        if refusal is None or now >= until:
            expected = self._seconds(waiting)
            detail = f"{self._held} bytes of requests are waiting, about {expected * 1e3:.0f} ms of work. Try again later."
            headers = {"retry-after": str(max(1, math.ceil(expected)))}  # the header takes whole seconds only
            refusal = Overloaded(detail, headers=headers, reason=reason, retry_after_ms=max(1, round(expected * 1e3)))
            self._refusals[reason] = now + REPEAT_SECONDS, refusal
        return refusal


class Ticket:
    """Counts one request, from its headers to its answer. A context manager."""

    __slots__ = ("_admission", "_arrived", "size")

    def __init__(self, admission: Admission) -> None:
        self._admission, self._arrived = admission, False
        self.size = 0  # bytes of the body so far

    def hold(self, size: int) -> Overloaded | None:
        """`size` more bytes of the body have arrived. Returns why there is no room for them, else None."""
        refusal = self._admission.hold(size, self.size)
        if refusal is None:
            self.size += size
        return refusal

    def give_back(self, size: int) -> None:
        """So many bytes of the body are not needed any more."""
        self._admission.give_up(size)
        self.size -= size

    def arrive(self) -> None:
        """The whole body is here: from now on the request waits for its answer."""
        self._arrived = True
        self._admission.arrive(self.size)

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(self, *_: object) -> None:
        if self._arrived:
            self._admission.leave(self.size)
        else:
            self._admission.give_up(self.size)
