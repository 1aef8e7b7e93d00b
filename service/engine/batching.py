"""The micro-batcher of one model: requests that have arrived when the model is free run together.

It never waits for other requests. A request without others runs at once. Otherwise a batch starts within three turns of the
event loop: under load these bring the requests of many connections. First come, first served; bounded in items.
"""

import asyncio
import math
import time
from concurrent.futures import Executor
from itertools import chain
from typing import Any, Final

from contract.rows import Rows
from service.engine.batch_observer import BatchObserver, OnAnswered
from service.engine.batch_queue import BatchQueue, Waiting, expire
from service.engine.batch_runner import BatchRunner, Computed, Model, Outcomes
from service.engine.switch_interval import SwitchInterval
from service.request_context import Caller
from service.runtime.loaded_model import Answer, Plan
from service.telemetry.tracing import UNTRACED

INLINE_SECONDS: Final = 1e-3
"""A longer run goes to a thread, so that the event loop stays free. The thread costs a tenth of that."""
MORE_TURNS: Final = 2
"""Turns of the event loop that a batch of several requests waits for requests being read: batches more than double."""
TURN_ITEMS: Final = 2**13
"""Items of the answers that are delivered in one turn of the event loop: rendering them takes about a millisecond."""


class Batcher:
    """`labels` are the model and its version. All batchers of a process share the `switch_interval`."""

    def __init__(
        self,
        model: Model,
        executor: Executor,
        switch_interval: SwitchInterval,
        labels: tuple[str, str],
        on_answered: OnAnswered | None = None,
    ) -> None:
        self._model, self._executor, self._switch_interval = model, executor, switch_interval
        self._queue, self._runner = BatchQueue(), BatchRunner(model, labels[0])
        self._observer = BatchObserver(labels, on_answered)
        self._awake = False  # a turn is scheduled, or a run is under way
        self._running: list[Waiting] = []  # the batch in the thread
        # One timer, at the earliest deadline or before: nearly every request has a later one and sets none.
        self._expires = math.inf  # time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether any request waits for an answer."""
        return self._awake or bool(self._queue)

    async def run(self, rows: Rows, caller: Caller, watch: Any = None) -> Answer:
        """The model's answer for these rows. `watch`, unless None, is handed to `on_answered`.

        Raises DeadlineExceeded, CallerGone, or what the model raised for these rows.
        """
        plan = None
        if caller.alone and not self.busy:
            plan = self._model.plan(rows)
            if plan.seconds <= INLINE_SECONDS:
                return self._run_alone(plan, caller, watch)
        loop = asyncio.get_running_loop()
        waiting = Waiting(rows, loop.create_future(), caller, time.monotonic(), watch, plan)
        self._queue.append(waiting)
        if caller.deadline < self._expires:
            self._expire_at(caller.deadline, loop)
        self._wake(loop)
        try:
            return await waiting.answer
        finally:
            del waiting  # an error refers to this frame; without `del` all that came with it would stay for the collector

    def _run_alone(self, plan: Plan, caller: Caller, watch: Any) -> Answer:
        """Run a request at once: without a queue, a future or a turn of the event loop."""
        rows, begun = plan.rows, time.monotonic()
        self._observer.count(rows, waited=0.0)
        trace = None if caller.trace is None else self._observer.trace([(caller.trace, begun)], rows)
        with trace or UNTRACED, trace.model() if trace else UNTRACED:
            try:
                values = self._model.compute(plan)
            finally:
                self._observer.ran(time.monotonic() - begun)
        answer = self._model.answer(rows, values)
        if watch is not None:
            self._observer.report(watch, rows, answer, [len(rows.lengths)], [time.monotonic() - begun])
        return answer

    def _expire_at(self, deadline: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        left = max(deadline - time.monotonic(), 0.0)
        self._expires, self._timer = deadline, loop.call_later(left, self._expire, loop) if left < math.inf else None

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """A deadline passes: the request gets its error now, whatever runs. What already runs, runs on."""
        self._timer = None
        self._expire_at(expire(chain(self._queue, self._running), time.monotonic()), loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._awake and self._queue:
            self._awake = True
            loop.call_soon(self._turn, loop, MORE_TURNS)

    def _turn(self, loop: asyncio.AbstractEventLoop, more: int) -> None:
        if more and len(self._queue) > 1:
            loop.call_soon(self._turn, loop, more - 1)
            return
        batch = self._queue.take(time.monotonic())
        self._awake = False
        if not batch:
            return
        try:
            self._start(batch, loop)
        except Exception as error:  # whatever went wrong, no request may wait for ever
            _deliver(batch, [error] * len(batch))
            self._wake(loop)

    def _start(self, batch: list[Waiting], loop: asyncio.AbstractEventLoop) -> None:
        rows = Rows.end_to_end([waiting.rows for waiting in batch])
        self._observer.count(rows, waited=time.monotonic() - batch[0].since)
        traced = [(waiting.caller.trace, waiting.since) for waiting in batch if waiting.caller.trace is not None]
        trace = self._observer.trace(traced, rows) if traced else None
        plan = batch[0].plan if len(batch) == 1 else None
        plan = plan or self._model.plan(rows)
        if plan.seconds <= INLINE_SECONDS:
            outcomes = self._runner.outcomes(batch, rows, self._runner.run(batch, plan, trace))
            _deliver(batch, outcomes.each)
            self._wake(loop)
            self._observer.answered(batch, rows, outcomes)
            return
        self._switch_interval.run_begins()  # before the thread wakes and begins to wait for Python's lock
        try:
            run = loop.run_in_executor(self._executor, self._runner.run, batch, plan, trace)
        except BaseException:
            self._switch_interval.run_ended()
            raise
        self._awake, self._running = True, batch
        run.add_done_callback(lambda done: self._after(loop, batch, rows, done))

    def _after(
        self, loop: asyncio.AbstractEventLoop, batch: list[Waiting], rows: Rows, done: "asyncio.Future[Computed]"
    ) -> None:
        """A run in the thread has ended."""
        self._running = []
        self._turn(loop, 0)  # starts the next batch first: the model must not wait while answers are checked and rendered
        self._switch_interval.run_ended()
        error = RuntimeError("the run was cancelled") if done.cancelled() else done.exception()
        try:
            computed: Computed = [error] * len(batch) if isinstance(error, Exception) else done.result()
            outcomes = self._runner.outcomes(batch, rows, computed)
        except Exception as fault:  # as in `_turn`
            outcomes = Outcomes([fault] * len(batch))
        _deliver_by_turns(loop, batch, outcomes.each)
        self._observer.answered(batch, rows, outcomes)


def _deliver_by_turns(loop: asyncio.AbstractEventLoop, batch: list[Waiting], outcomes: list[Answer | Exception]) -> None:
    """A few large answers in each turn of the event loop, so that rendering them delays no other request for long."""
    items = count = 0
    while count < len(batch) and items < TURN_ITEMS:
        items += len(batch[count].rows.values)
        count += 1
    _deliver(batch[:count], outcomes[:count])
    if count < len(batch):
        loop.call_soon(_deliver_by_turns, loop, batch[count:], outcomes[count:])


def _deliver(batch: list[Waiting], outcomes: list[Answer | Exception]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if waiting.answer.done():
            continue
        if isinstance(outcome, Exception):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)
