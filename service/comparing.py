"""Runs the other version on rows that have been answered, and compares. Beside the requests: never before, never instead.

Nobody waits for it, so unlike the batcher it waits for company: each call of a model from a thread takes the lock of Python
from the event loop several times, and a call for hundreds of requests costs little more than one for ten.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from contract.topologies import Rows
from service.buckets import MOST
from service.model import Answer, LoadedModel
from service.tallies import tallies
from service.trials import Trial

logger = logging.getLogger(__name__)
WAITING: Final = 8 * MOST
"""Items that may wait to be compared; what comes beyond is counted and left out: a shadow that is slower than the traffic
must not grow a queue."""
PAUSE: Final = 0.2
"""Seconds in which what is to be compared gathers, unless a whole call has come together before."""


class _Answered(NamedTuple):
    """Requests that were answered together."""

    trial: Trial
    other: LoadedModel  # the version that did not answer
    rows: Rows
    answer: Answer
    requests: Sequence[int]  # how many of the rows are each one's
    seconds: Sequence[float]  # that each took, where that is still to be counted


class Comparer:
    """`tolerance` is in widths of the domain."""

    def __init__(self, executor: Executor, tolerance: float) -> None:
        self._executor, self._tolerance = executor, tolerance
        self._queue: deque[_Answered] = deque()
        self._items = 0
        self._busy = False
        self._gathering: asyncio.TimerHandle | None = None

    def offer(
        self,
        trial: Trial,
        other: LoadedModel,
        rows: Rows,
        answer: Answer,
        requests: Sequence[int],
        seconds: Sequence[float] = (),
    ) -> None:
        """Compare when there is time to. `requests`: the number of rows of each; `seconds`: what each took, none where that has
        been counted."""
        items = self._items + len(rows.values)
        if items > WAITING:
            trial.drop(len(requests))
            trial.answered_all("baseline", seconds)
            return
        self._queue.append(_Answered(trial, other, rows, answer, requests, seconds))
        self._items = items
        self._wake()

    def _wake(self) -> None:
        if self._busy or not self._queue:
            return
        if self._items >= MOST:
            self._start()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(PAUSE, self._start)

    def _start(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        run = asyncio.get_running_loop().run_in_executor(self._executor, self._compare, self._take())
        self._busy = True
        run.add_done_callback(self._after)

    def _take(self) -> list[_Answered]:
        """The next of one trial, as many as a call of the model takes."""
        queue, batch, items = self._queue, list[_Answered](), 0
        trial = queue[0].trial
        while queue and queue[0].trial is trial and (not batch or items + len(queue[0].rows.values) <= MOST):
            batch.append(queue.popleft())
            items += len(batch[-1].rows.values)
        self._items -= items
        trial.answered_all("baseline", [*chain.from_iterable(answered.seconds for answered in batch)])
        return batch

    def _after(self, done: "asyncio.Future[None]") -> None:
        self._busy = False
        if (error := done.exception()) is not None:
            logger.error("comparing failed", exc_info=error)
        tallies.soon()  # of the run, after which there may be no request for a while
        self._wake()

    def _compare(self, batch: list[_Answered]) -> None:
        trial, other = batch[0].trial, batch[0].other
        rows = Rows.end_to_end([answered.rows for answered in batch])
        side = "candidate" if other is trial.candidate else "baseline"
        begun = time.perf_counter()
        try:
            values = other.run(rows).values
        except Exception as error:  # whatever the version on trial does: it must show in the figures, not end them
            alone = [*chain.from_iterable(map(_requests, batch))]
            if len(alone) > 1:  # each runs alone, so that a bad one fails alone
                for answered in alone:
                    self._compare([answered])
                return
            logger.warning("%s:%s failed while compared: %s", trial.name, other.manifest.version, type(error).__name__)
            trial.failed(side)
            return
        took = time.perf_counter() - begun
        trial.comparing_seconds.inc(took)
        if trial.kind == "shadow":  # a canary's sides are timed where they answer
            trial.answered(side, took, sum(len(answered.requests) for answered in batch))
        given = np.concatenate([answered.answer.values for answered in batch])
        in_domain = [*chain.from_iterable(answered.answer.in_domain for answered in batch)]
        trial.compared(rows, Answer(given, in_domain), values, self._tolerance)


def _requests(together: _Answered) -> list[_Answered]:
    """Each by itself."""
    parts = together.rows.parts(together.requests)
    each = zip(parts, together.answer.split(parts), together.requests, strict=True)
    return [together._replace(rows=rows, answer=answer, requests=[count]) for rows, answer, count in each]
