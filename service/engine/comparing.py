"""Runs the other version on rows that have been answered, and compares. Beside the requests: never before, never instead.

Nobody waits for it, so unlike the batcher it waits for company: a call for hundreds of requests costs little more than one
for ten. What it costs is the event loop's time (../benchmarks/LOG.md), so
- in the thread there is the model's own call alone: whatever NumPy is asked there gives Python's lock away, and takes it from
  the event loop again, which costs the loop more than the asking;
- what gathers is copied end to end: memory that is kept from each batch is cold when the next ones are given it.
"""

import asyncio
import logging
import time
from array import array
from collections import deque
from concurrent.futures import Executor
from typing import Final, NamedTuple

import numpy as np

from contract.topologies import Floats, Rows
from service.engine.batch_queue import MOST_ITEMS
from service.runtime.loaded_model import LoadedModel
from service.telemetry.metric_buffer import metric_buffer
from service.versions.trials import Trial

logger = logging.getLogger(__name__)
WAITING: Final = 8 * MOST_ITEMS
"""Items that may wait to be compared; what comes beyond is counted and left out: a shadow that is slower than the traffic
must not grow a queue."""
PAUSE: Final = 0.2
"""Seconds in which what is to be compared gathers, unless as much as a whole call takes has come together before."""


class _Gathering:
    """Requests of one trial and how they were answered, end to end, as they come."""

    def __init__(self, trial: Trial, since: float) -> None:
        self.trial, self.since = trial, since  # of the event loop's time
        self.requests = list[int]()  # how many rows each has
        self.seconds = array("d")  # that each took, where that is still to be counted
        self.items = 0
        self._rows, self._lengths, self._values = bytearray(), list[int](), bytearray()

    def add(self, rows: Rows, values: Floats, requests: list[int], seconds: list[float]) -> None:
        self.items += len(rows.values)
        self._rows += rows.values.data
        self._lengths.extend(rows.lengths)
        self._values += values.data
        self.requests.extend(requests)
        self.seconds.fromlist(seconds)

    @property
    def rows(self) -> Rows:
        """From here on there are no more."""
        return Rows(np.frombuffer(self._rows, np.float32), self._lengths)

    @property
    def values(self) -> Floats:
        """(items,), the answers."""
        return np.frombuffer(self._values, np.float32)


class _Ran(NamedTuple):
    """What the other version made of them."""

    values: Floats  # (items,), NaN where it raised
    seconds: float  # that it took
    raised: str  # the name of what it raised last; not that itself, which would keep alive all that it came with


class Comparer:
    """`tolerance` is in widths of the domain. On the event loop."""

    def __init__(self, executor: Executor, tolerance: float) -> None:
        self._executor, self._tolerance = executor, tolerance
        self._queue: deque[_Gathering] = deque()
        self._items = 0
        self._busy = False
        self._pause: asyncio.TimerHandle | None = None

    def offer(self, trial: Trial, rows: Rows, values: Floats, requests: list[int], seconds: list[float] | None = None) -> None:
        """Compare when there is time to. `values` are the answer; `requests`: the number of rows of each; `seconds`: what each
        took, None where that has been counted."""
        seconds = seconds or []
        items = len(rows.values)
        if self._items + items > WAITING:
            trial.drop(len(requests))
            trial.answered_all("baseline", seconds)
            return
        self._items += items
        self._gathering(trial, items).add(rows, values, requests, seconds)
        self._wake()

    def _gathering(self, trial: Trial, items: int) -> _Gathering:
        """Where so many more fit into a call of the model."""
        for gathering in self._queue:
            if gathering.trial is trial and gathering.items + items <= MOST_ITEMS:
                return gathering
        self._queue.append(gathering := _Gathering(trial, asyncio.get_running_loop().time()))
        return gathering

    def _wake(self) -> None:
        if self._busy or not self._queue:
            return
        if self._items >= MOST_ITEMS:
            self._start()
        elif self._pause is None:
            self._pause = asyncio.get_running_loop().call_at(self._queue[0].since + PAUSE, self._start)

    def _start(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        loop, gathering = asyncio.get_running_loop(), self._queue.popleft()
        self._items -= gathering.items
        trial, rows = gathering.trial, gathering.rows
        trial.answered_all("baseline", gathering.seconds)
        try:
            run = loop.run_in_executor(self._executor, _run, trial.silent_model, rows, gathering.requests)
        except RuntimeError:  # no thread to be had, for which nobody who asked is to suffer
            logger.exception("comparing cannot begin")
            trial.drop(len(gathering.requests))
            return
        self._busy = True
        run.add_done_callback(lambda done: self._after(gathering, rows, done))

    def _after(self, gathering: _Gathering, rows: Rows, done: "asyncio.Future[_Ran]") -> None:
        self._busy = False
        try:
            self._compare(gathering, rows, done.result())
        except Exception:  # a fault of ours: what comes next is to be compared
            logger.exception("comparing failed")
        metric_buffer.flush_soon()  # of the run, after which there may be no request for a while
        self._wake()

    def _compare(self, gathering: _Gathering, rows: Rows, ran: _Ran) -> None:
        """Whatever the version on trial does must show in the figures, not end them."""
        trial, requests = gathering.trial, gathering.requests
        trial.comparing_seconds.inc(ran.seconds)
        in_domain = trial.baseline.in_domain(rows)  # (rows,); of others nothing was promised, not even an answer
        finite = np.logical_and.reduceat(np.isfinite(ran.values), rows.starts)  # (rows,)
        failed = 0
        if (lost := in_domain & ~finite).any():
            failed = len(np.unique(np.repeat(np.arange(len(requests)), requests)[lost]))
            how = f"raised {ran.raised}" if ran.raised else "gave no finite answer"
            name, version = trial.name, trial.silent_model.manifest.version
            logger.warning("%s:%s %s for %d of %d requests while compared", name, version, how, failed, len(requests))
            trial.failed(trial.silent_side, failed)
        if trial.kind == "shadow":  # a canary's sides are timed where they answer
            trial.answered(trial.silent_side, ran.seconds, len(requests) - failed)
        trial.compared(rows, gathering.values, ran.values, in_domain & finite, self._tolerance)


def _run(model: LoadedModel, rows: Rows, requests: list[int]) -> _Ran:
    """In the thread. When the call fails each request runs alone, so that a bad one fails alone."""
    begun = time.perf_counter()
    raised = ""
    try:
        values = model.compute(model.plan(rows))
    except Exception:
        values, begin = np.full_like(rows.values, np.nan), 0
        for alone in rows.parts(requests):
            end = begin + len(alone.values)
            try:
                values[begin:end] = model.compute(model.plan(alone))
            except Exception as error:
                raised = type(error).__name__
            begin = end
    return _Ran(values, time.perf_counter() - begun, raised)
