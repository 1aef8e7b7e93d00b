"""Runs the other version on answered rows and compares the two answers: beside the requests, after their answers.

No request waits for a comparison, so unlike the batcher the comparer gathers many requests for one call: a call for hundreds
costs little more than a call for ten. A comparison costs time of the event loop (../benchmarks/LOG.md), hence:
- The thread makes the model's call and no other. Each NumPy call in a thread releases Python's lock and takes it again from the
  event loop, which costs the loop more than making that call itself.
- The gathered arrays are copied end to end. Memory kept from each batch would be cold when later batches get it.
"""

import asyncio
import logging
import time
from array import array
from collections import deque
from concurrent.futures import Executor
from typing import Final, NamedTuple

import numpy as np

from contract.rows import Floats, Rows
from service.engine.batch_queue import MOST_ITEMS
from service.runtime.loaded_model import LoadedModel, cut
from service.telemetry.metric_buffer import metric_buffer
from service.versions.trials import Trial

logger = logging.getLogger(__name__)
WAITING: Final = 8 * MOST_ITEMS
"""Most numbers that wait to be compared. Further requests are counted and not compared: a slow shadow must not grow a queue."""
PAUSE: Final = 0.2
"""Seconds for which requests gather, unless they fill a call before."""


class _Gathering:
    """Answered requests of one trial: their rows and answers, end to end."""

    def __init__(self, trial: Trial, since: float) -> None:
        self.trial, self.since = trial, since  # seconds, on the event loop's clock
        self.requests = list[int]()  # the number of rows of each
        self.seconds = array("d")  # the seconds of each request whose time is not yet counted
        self.numbers = 0  # in the rows
        self._rows, self._lengths, self._values = bytearray(), list[int](), bytearray()

    def add(self, rows: Rows, values: Floats, requests: list[int], seconds: list[float]) -> None:
        self.numbers += rows.values.size
        self._rows += rows.values.data
        self._lengths.extend(rows.lengths)
        self._values += values.data
        self.requests.extend(requests)
        self.seconds.fromlist(seconds)

    @property
    def rows(self) -> Rows:
        """All rows. Call it after the last `add`."""
        return Rows(np.frombuffer(self._rows, np.float32).reshape(-1, self.trial.baseline.features), self._lengths)

    @property
    def values(self) -> Floats:
        """(items, K) or (rows, K), the answers."""
        return np.frombuffer(self._values, np.float32).reshape(-1, self.trial.baseline.outputs)


class _Ran(NamedTuple):
    """What the other version answered."""

    values: Floats  # (items, K) or (rows, K), NaN where it raised
    seconds: float  # the time of all calls
    raised: str  # the name of the last error; the error itself would keep alive everything that its traceback refers to


class Comparer:
    """`tolerance` is in widths of an output's domain. Call the methods on the event loop."""

    def __init__(self, executor: Executor, tolerance: float) -> None:
        self._executor, self._tolerance = executor, tolerance
        self._queue: deque[_Gathering] = deque()
        self._numbers = 0  # that wait
        self._busy = False
        self._pause: asyncio.TimerHandle | None = None

    def offer(self, trial: Trial, rows: Rows, values: Floats, requests: list[int], seconds: list[float] | None = None) -> None:
        """Compare these rows later. `values`: the answer. `requests`: the number of rows of each request. `seconds`:
        the time of each request; None: already counted."""
        seconds = seconds or []
        numbers = rows.values.size
        if self._numbers + numbers > WAITING:
            trial.drop(len(requests))
            trial.answered_all("baseline", seconds)
            return
        self._numbers += numbers
        self._gathering(trial, numbers).add(rows, values, requests, seconds)
        self._wake()

    def _gathering(self, trial: Trial, numbers: int) -> _Gathering:
        """The gathering of this trial in which so many more numbers have room."""
        for gathering in self._queue:
            if gathering.trial is trial and gathering.numbers + numbers <= MOST_ITEMS:
                return gathering
        self._queue.append(gathering := _Gathering(trial, asyncio.get_running_loop().time()))
        return gathering

    def _wake(self) -> None:
        if self._busy or not self._queue:
            return
        if self._numbers >= MOST_ITEMS:
            self._start()
        elif self._pause is None:
            self._pause = asyncio.get_running_loop().call_at(self._queue[0].since + PAUSE, self._start)

    def _start(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        loop, gathering = asyncio.get_running_loop(), self._queue.popleft()
        self._numbers -= gathering.numbers
        trial, rows = gathering.trial, gathering.rows
        trial.answered_all("baseline", gathering.seconds)
        try:
            run = loop.run_in_executor(self._executor, _run, trial.silent_model, rows, gathering.requests)
        except RuntimeError:  # no thread could be started; the request must not fail for it
            logger.exception("comparing cannot begin")
            trial.drop(len(gathering.requests))
            return
        self._busy = True
        run.add_done_callback(lambda done: self._after(gathering, rows, done))

    def _after(self, gathering: _Gathering, rows: Rows, done: "asyncio.Future[_Ran]") -> None:
        self._busy = False
        try:
            self._compare(gathering, rows, done.result())
        except Exception:  # our own fault; later requests are still compared
            logger.exception("comparing failed")
        metric_buffer.flush_soon()  # the next request, which would flush, may be a while away
        self._wake()

    def _compare(self, gathering: _Gathering, rows: Rows, ran: _Ran) -> None:
        """Errors of the version on trial are counted, not raised."""
        trial, requests = gathering.trial, gathering.requests
        trial.comparing_seconds.inc(ran.seconds)
        in_domain = trial.baseline.in_domain(rows)  # (rows,); the gate promised nothing about other rows
        finite = trial.baseline.by_row(np.logical_and, np.isfinite(ran.values).all(axis=1), rows)  # (rows,)
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
    """In the thread. If the call fails, each request runs alone, so that a bad one fails alone."""
    begun = time.perf_counter()
    raised = ""
    try:
        values = model.compute(model.plan(rows))
    except Exception:
        lines = len(rows.values if model.topology.per_step else rows.lengths)
        values, parts = np.full((lines, model.outputs), np.nan, np.float32), rows.parts(requests)
        for alone, own in zip(parts, cut(values, parts), strict=True):
            try:
                own[:] = model.compute(model.plan(alone))
            except Exception as error:
                raised = type(error).__name__
    return _Ran(values, time.perf_counter() - begun, raised)
