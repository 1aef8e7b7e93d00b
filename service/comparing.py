"""Runs the other version on rows that have been answered, and compares. Beside the requests: never before, never instead."""

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import Executor
from typing import Final, NamedTuple

from contract.topologies import Rows
from service.buckets import MOST
from service.model import Answer, LoadedModel
from service.trials import Trial

logger = logging.getLogger(__name__)
WAITING: Final = 8 * MOST
"""Items that may wait to be compared; what comes beyond is counted and left out: a shadow that is slower than the traffic
must not grow a queue."""


class _Answered(NamedTuple):
    trial: Trial
    other: LoadedModel  # the version that did not answer
    rows: Rows
    answer: Answer


class Comparer:
    """`tolerance` is in widths of the domain."""

    def __init__(self, executor: Executor, tolerance: float) -> None:
        self._executor, self._tolerance = executor, tolerance
        self._queue: deque[_Answered] = deque()
        self._items = 0
        self._busy = False

    def offer(self, trial: Trial, other: LoadedModel, rows: Rows, answer: Answer) -> None:
        """Compare when there is time to."""
        if self._items + len(rows.values) > WAITING:
            trial.drop()
            return
        self._queue.append(_Answered(trial, other, rows, answer))
        self._items += len(rows.values)
        self._wake()

    def _wake(self) -> None:
        if self._queue and not self._busy:
            self._busy = True
            run = asyncio.get_running_loop().run_in_executor(self._executor, self._compare, self._take())
            run.add_done_callback(self._after)

    def _take(self) -> list[_Answered]:
        """The next of one trial, as many as a call of the model takes."""
        batch = [self._queue.popleft()]
        items = len(batch[0].rows.values)
        while self._queue and self._queue[0].trial is batch[0].trial and items + len(self._queue[0].rows.values) <= MOST:
            batch.append(self._queue.popleft())
            items += len(batch[-1].rows.values)
        self._items -= items
        return batch

    def _after(self, done: "asyncio.Future[None]") -> None:
        self._busy = False
        if (error := done.exception()) is not None:
            logger.error("comparing failed", exc_info=error)
        self._wake()

    def _compare(self, batch: list[_Answered]) -> None:
        trial, other = batch[0].trial, batch[0].other
        rows = Rows.end_to_end([answered.rows for answered in batch])
        side = "candidate" if other is trial.candidate else "baseline"
        begun = time.perf_counter()
        try:
            values = other.run(rows).values
        except Exception as error:  # whatever the version on trial does: it must show in the figures, not end them
            if len(batch) > 1:  # each alone, so that a bad one fails alone
                for answered in batch:
                    self._compare([answered])
                return
            logger.warning("%s:%s failed while compared: %s", trial.name, other.manifest.version, type(error).__name__)
            trial.failed(side)
            return
        took = time.perf_counter() - begun
        trial.comparing_seconds.inc(took)
        if trial.kind == "shadow":  # a canary's sides are timed where they answer
            trial.answered(side, took, len(batch))
        given = Answer(*_end_to_end([answered.answer for answered in batch]))
        trial.compared(rows, given, values, self._tolerance)


def _end_to_end(answers: list[Answer]) -> Answer:
    rows = Rows.end_to_end([Rows(answer.values, []) for answer in answers])
    return Answer(rows.values, [inside for answer in answers for inside in answer.in_domain])
