"""Runs the other version on rows that have been answered, and compares. Beside the requests: never before, never instead.

Nobody waits for it, so unlike the batcher it waits for company: a call for hundreds of requests costs little more than one
for ten. What it costs is the event loop's time (../benchmarks/LOG.md), so
- in the thread there is the model's own call and nothing else: whatever NumPy is asked there gives Python's lock away, and
  takes it from the event loop again, which costs the loop more than the asking;
- what gathers is copied end to end: memory that is kept from each batch is cold when the next ones are given it.
"""

import asyncio
import logging
import time
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contract.topologies import Floats, Rows
from service.buckets import MOST
from service.model import Answer
from service.tallies import tallies
from service.trials import Trial

logger = logging.getLogger(__name__)
WAITING: Final = 8 * MOST
"""Items that may wait to be compared; what comes beyond is counted and left out: a shadow that is slower than the traffic
must not grow a queue."""
PAUSE: Final = 0.2
"""Seconds in which what is to be compared gathers, unless a whole call has come together before."""


class _Answered(NamedTuple):
    """Requests of one trial, end to end, and how they were answered."""

    trial: Trial
    rows: Rows
    values: Floats  # (items,), the answer
    in_domain: npt.NDArray[np.bool_]  # (rows,)
    requests: list[int]  # how many of the rows are each one's

    def each(self) -> "Iterator[_Answered]":
        """Every request by itself."""
        item = row = 0
        for part, count in zip(self.rows.parts(self.requests), self.requests, strict=True):
            values = self.values[item : item + len(part.values)]
            yield _Answered(self.trial, part, values, self.in_domain[row : row + count], [count])
            item, row = item + len(part.values), row + count


class _Ran(NamedTuple):
    """What the other version made of them."""

    answered: _Answered
    values: Floats | Exception  # (items,)
    seconds: float  # that the call took


class _Gathering:
    """Requests of one trial, as they come."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.items = trial, 0
        self.seconds = array("d")  # that each request took, where that is still to be counted
        self._rows, self._values, self._in_domain = bytearray(), bytearray(), bytearray()
        self._lengths, self._requests = list[int](), list[int]()

    def add(self, rows: Rows, answer: Answer, requests: list[int], seconds: list[float]) -> None:
        self.items += len(rows.values)
        self._rows += rows.values.data
        self._values += answer.values.data
        self._in_domain.extend(answer.in_domain)
        self._lengths.extend(rows.lengths)
        self._requests.extend(requests)
        self.seconds.fromlist(seconds)

    def answered(self) -> _Answered:
        """All of them; from here on there are no more."""
        rows = Rows(np.frombuffer(self._rows, np.float32), self._lengths)
        values, in_domain = np.frombuffer(self._values, np.float32), np.frombuffer(self._in_domain, np.bool_)
        return _Answered(self.trial, rows, values, in_domain, self._requests)


class Comparer:
    """`tolerance` is in widths of the domain. On the event loop."""

    def __init__(self, executor: Executor, tolerance: float) -> None:
        self._executor, self._tolerance = executor, tolerance
        self._queue: deque[_Gathering] = deque()
        self._items = 0
        self._busy = False
        self._pause: asyncio.TimerHandle | None = None

    def offer(self, trial: Trial, rows: Rows, answer: Answer, requests: list[int], seconds: list[float] | None = None) -> None:
        """Compare when there is time to. `requests`: the number of rows of each; `seconds`: what each took, None where that has
        been counted."""
        seconds = seconds or []
        items = len(rows.values)
        if self._items + items > WAITING:
            trial.drop(len(requests))
            trial.answered_all("baseline", seconds)
            return
        self._items += items
        self._gathering(trial, items).add(rows, answer, requests, seconds)
        self._wake()

    def _gathering(self, trial: Trial, items: int) -> _Gathering:
        """Where so many more fit into a call of the model."""
        for gathering in self._queue:
            if gathering.trial is trial and gathering.items + items <= MOST:
                return gathering
        self._queue.append(gathering := _Gathering(trial))
        return gathering

    def _wake(self) -> None:
        if self._busy or not self._queue:
            return
        if self._items >= MOST:
            self._start()
        elif self._pause is None:
            self._pause = asyncio.get_running_loop().call_later(PAUSE, self._start)

    def _start(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        gathering = self._queue.popleft()
        self._items -= gathering.items
        gathering.trial.answered_all("baseline", gathering.seconds)
        run = asyncio.get_running_loop().run_in_executor(self._executor, _run, gathering.answered())
        self._busy = True
        run.add_done_callback(self._after)

    def _after(self, done: "asyncio.Future[list[_Ran]]") -> None:
        self._busy = False
        try:
            for ran in done.result():
                self._compare(*ran)
        except Exception:  # a fault of ours: what comes next is to be compared
            logger.exception("comparing failed")
        tallies.soon()  # of the run, after which there may be no request for a while
        self._wake()

    def _compare(self, answered: _Answered, values: Floats | Exception, seconds: float) -> None:
        trial, rows, given, in_domain, requests = answered
        side, version = trial.silent, trial.other.manifest.version
        trial.comparing_seconds.inc(seconds)
        if isinstance(values, Exception):  # whatever the version on trial does: it must show in the figures, not end them
            logger.warning("%s:%s failed while compared: %s", trial.name, version, type(values).__name__)
            trial.failed(side)
            return
        failed = 0
        if not (finite := np.isfinite(values)).all():  # no answer, as `LoadedModel.answer` has it
            starts = np.cumsum([0, *requests[:-1]])
            whole = np.logical_and.reduceat(np.logical_and.reduceat(finite, rows.starts), starts)  # (requests,)
            failed = len(requests) - int(whole.sum())
            logger.warning("%s:%s gave %d requests no finite answer while compared", trial.name, version, failed)
            trial.failed(side, failed)
            in_domain = in_domain & np.repeat(whole, requests)
        if trial.kind == "shadow":  # a canary's sides are timed where they answer
            trial.answered(side, seconds, len(requests) - failed)
        trial.compared(rows, given, values, in_domain, self._tolerance)


def _run(answered: _Answered) -> list[_Ran]:
    """In the thread. When the call fails each request runs alone, so that a bad one fails alone."""
    together = _call(answered)
    if not isinstance(together.values, Exception) or len(answered.requests) == 1:
        return [together]
    return [*map(_call, answered.each())]


def _call(answered: _Answered) -> _Ran:
    begun = time.perf_counter()
    try:
        values: Floats | Exception = answered.trial.other.compute(answered.rows)
    except Exception as error:
        values = error
    return _Ran(answered, values, time.perf_counter() - begun)
