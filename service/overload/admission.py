"""How much may wait: beyond it a request is refused at once, so that those let in are answered as fast as ever.

What waits is counted in bytes of requests, which is known before a body is read, and in the time that these will take at
the rate at which requests were answered lately. The rate is measured while there is always something to do.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import Overloaded

WINDOW = 0.1
"""Seconds over which a rate is measured."""
EACH = 2**12
"""Bytes of a body that take as long as a request does that has none: without them the rate that a probe leaves, of 50 bytes a
request, would be a hundredth of that of large ones, and the first few of these an overload. 60 us where they share batches,
five times that where one comes alone; a byte takes 25 to 35 ns."""
FEW, SMALL = 32, 2**11
"""So many requests may always wait, if of no more bytes than that: they are no overload, whatever a slow spell says of the
rate."""
COMPANY = 8
"""Times its own size that a request may always find waiting: a few callers of ten thousand rows each are no overload either,
and none of them expects to be answered sooner than that."""
BURST, BURST_SECONDS = 5, 0.1
"""What is over the limit, but not that many times, and not for so long, is a burst, or the machine was elsewhere for a moment:
it is let in. What stands for longer is an overload (as in CoDel, RFC 8289), and then the limit is the limit, until nothing
had to be refused for CALM_SECONDS."""
CALM_SECONDS = 1.0
REFUSAL = 0.01
"""Seconds for which one refusal speaks for all: thousands a second, each worded anew, took a tenth of the goodput."""


class Admission:
    """`refusal` says whether a request is admitted; its `Ticket` counts it from then on."""

    def __init__(self, most_bytes: int, most_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes, self._most_seconds, self._clock = most_bytes, most_seconds, clock
        self._held = 0  # bytes of requests that are here, in part or whole, until answered; what is announced takes no memory
        self._waiting, self._requests = 0, 0  # work that arrived and waits for its answer, and in how many requests
        self._rate = math.inf  # work done a second; not known yet
        self.full = False  # whether what waits takes longer than it should; else nothing is refused for that reason
        self._since, self._busy, self._answered = 0.0, 0.0, 0  # of the rate's window: seconds with something to do
        self._over: float | None = None  # since when the limit has been passed
        self._strict_until = -math.inf
        self._refusals: dict[str, tuple[float, Overloaded]] = {}  # reason -> until when to repeat it

    @property
    def waiting_requests(self) -> int:
        """Those that have arrived and are not answered."""
        return self._requests

    @property
    def waiting_bytes(self) -> int:
        """Of requests that are here, whole or not, until their answer."""
        return self._held

    def refusal(self, size: int | None) -> Overloaded | None:
        """Why a request with a body of `size` bytes is refused; None if it is admitted. `size` None: it is not announced."""
        if not self.full:
            self._over = None
        elif (
            size is None or not (self._waiting <= COMPANY * (size + EACH) or (size <= SMALL and self._requests < FEW))
        ) and self._stands():
            return self._overloaded("time", self._waiting)
        return None if size is None or self._fits(size, 0) else self._overloaded("bytes", self._held)

    def hold(self, size: int, so_far: int = 0) -> Overloaded | None:
        """`size` bytes of a body have come, after `so_far` others. Why there is no room for them; then none are held."""
        if not self._fits(size, so_far):
            return self._overloaded("bytes", self._held)
        self._held += size
        return None

    def arrive(self, size: int) -> None:
        """All of a body is here: only now does it wait for an answer, and not for its client."""
        if not self._requests:
            self._since = self._clock()
        self._waiting += size + EACH
        self._requests += 1
        self.full = self._waiting > self._most_seconds * self._rate

    def give_up(self, size: int) -> None:
        """The rest of a body, of which `size` bytes are held, will not come."""
        self._held -= size

    def leave(self, size: int) -> None:
        """A request whose body had arrived has been answered."""
        self._held -= size
        work = size + EACH
        self._answered += work
        now = self._clock()
        busy = self._busy + now - self._since
        if busy > WINDOW:
            rate = self._answered / busy
            self._rate = rate if self._rate == math.inf else 0.5 * (self._rate + rate)
            self._since, self._busy, self._answered = now, 0.0, 0
        self._waits_no_more(work, now)

    @contextmanager
    def aside(self, size: int) -> Iterator[None]:
        """Meanwhile a request whose body had arrived waits for something else than the others: it is no work. `size` 0: one
        that was never counted."""
        if size:
            self._waits_no_more(size + EACH, self._clock())
        try:
            yield
        finally:
            if size:
                self.arrive(size)

    def _waits_no_more(self, work: int, now: float) -> None:
        self._waiting -= work
        self._requests -= 1
        self.full = self._waiting > self._most_seconds * self._rate
        if not self._requests:
            self._busy += now - self._since

    def _stands(self) -> bool:
        """Whether it is an overload that the limit is passed, and no burst."""
        now, expected = self._clock(), self._seconds(self._waiting)
        if self._over is None:
            self._over = now
        burst = expected <= BURST * self._most_seconds and now - self._over < BURST_SECONDS
        if burst and now >= self._strict_until:
            return False
        self._strict_until = now + CALM_SECONDS
        return True

    def _seconds(self, waiting: int) -> float:
        """In which so much work is done."""
        return waiting / self._rate

    def _fits(self, size: int, so_far: int) -> bool:
        """Small bodies, and one that has nobody beside it, always do."""
        return so_far + size <= SMALL or self._held <= so_far or self._held + size <= self._most_bytes

    def _overloaded(self, reason: str, waiting: int) -> Overloaded:
        """`waiting`: what there was too much of, as work or in bytes."""
        now = self._clock()
        until, refusal = self._refusals.get(reason, (now, None))
        if refusal is None or now >= until:
            expected = self._seconds(waiting)
            detail = f"{self._held} bytes of requests are waiting, about {expected * 1e3:.0f} ms of work. Try again later."
            headers = {"retry-after": str(max(1, math.ceil(expected)))}  # it knows whole seconds only
            refusal = Overloaded(detail, headers=headers, reason=reason, retry_after_ms=max(1, round(expected * 1e3)))
            self._refusals[reason] = now + REFUSAL, refusal
        return refusal


class Ticket:
    """What one request takes of the admission, from its headers to its answer: a context."""

    __slots__ = ("_admission", "_arrived", "size")

    def __init__(self, admission: Admission) -> None:
        self._admission, self._arrived = admission, False
        self.size = 0  # bytes of the body so far

    def hold(self, size: int) -> Overloaded | None:
        """So many more bytes of the body have come. Why there is no room for them."""
        refusal = self._admission.hold(size, self.size)
        if refusal is None:
            self.size += size
        return refusal

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
