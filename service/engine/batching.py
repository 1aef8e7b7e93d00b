"""The micro-batcher of one model: whatever has arrived when the model is free runs together. asyncio and NumPy.

It never waits for company: a request that is alone runs at once, others within three turns of the event loop, which under
load bring the requests of many connections, and they share a call. First come, first served; bounded in items.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple, Protocol

from contract.topologies import Floats, Rows
from service.engine.switch_interval import Switching
from service.errors import DeadlineExceeded, UnrollError
from service.request_context import Caller, CallerGone
from service.runtime.loaded_model import Answer, Plan
from service.telemetry import metrics
from service.telemetry.metric_buffer import tallies
from service.telemetry.tracing import UNTRACED, BatchTrace

logger = logging.getLogger(__name__)
INLINE_SECONDS = 1e-3
"""A run expected to take longer leaves the event loop free: it goes to a thread, which itself costs a tenth of that."""
MORE_TURNS = 2
"""Turns of the loop by which requests in company let those follow that are being read: batches more than double."""
MOST_ITEMS = 2**16
"""Of a batch, but for a single request that has more: 7 ms of the smallest networks, after which others get their turn."""
TURN_ITEMS = 2**13
"""Items of the answers that are delivered in one turn: rendering them takes about a millisecond."""
PATIENCE = 25e-3
"""Seconds after which a waiting caller is asked whether it is still there: asking costs more than a row that never waited."""


class Model(Protocol):
    """`compute` is called in a thread where it takes long, the others on the event loop."""

    def plan(self, rows: Rows) -> Plan: ...

    def compute(self, plan: Plan) -> Floats: ...

    def answer(self, rows: Rows, values: Floats) -> Answer: ...


Tell = Callable[[Any, Rows, Answer, list[int], list[float]], None]
"""Called for requests that were answered together and have the same `watch`, with it: their rows end to end, the answer to
these, how many of the rows are each one's, and the seconds that each took. Telling of all at once costs little more than of
one; and of requests that shared a run whoever is told keeps nothing: their memory, still in the processor's cache, is the next
ones'."""


class _Waiting(NamedTuple):
    rows: Rows
    answer: "asyncio.Future[Answer]"
    caller: Caller
    since: float
    watch: Any


class _Outcomes(NamedTuple):
    """Of a batch."""

    each: list[Answer | Exception]  # a request
    whole: Answer | None = None  # where all of it was answered together


Computed = Floats | list[Floats | Exception]
"""What the model made of a batch, (items,); or, where that failed, of each request."""


class Batcher:
    """`labels` are the model and its version. All batchers of a process share the `switching`."""

    def __init__(
        self,
        model: Model,
        executor: Executor,
        switching: Switching,
        labels: tuple[str, str],
        tell: Tell | None = None,
    ) -> None:
        name, _ = labels
        self._waited, self._rows = metrics.queue_seconds.labels(name), metrics.batch_rows.labels(name)
        self._ran, self._items = metrics.model_seconds.labels(name), metrics.items.labels(*labels)
        self._labels, self._tell = labels, tell
        self._model = model
        self._executor, self._switching = executor, switching
        self._queue: deque[_Waiting] = deque()
        self._awake = False  # a turn is scheduled, or a run is under way

    @property
    def busy(self) -> bool:
        """Whether anybody waits for an answer."""
        return self._awake or bool(self._queue)

    async def run(self, rows: Rows, caller: Caller, watch: Any = None) -> Answer:
        """The model's answer for these rows. Raises DeadlineExceeded, or what the model raised for them.

        Whoever is to be told of it is named by `watch`.
        """
        if caller.alone and not self.busy:
            plan = self._model.plan(rows)
            if plan.seconds <= INLINE_SECONDS:
                return self._run_alone(plan, caller, watch)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, loop.create_future(), caller, time.monotonic(), watch)
        self._queue.append(waiting)
        self._wake(loop)
        try:
            return await waiting.answer
        finally:
            del waiting  # an error refers to this frame: it, and all that it came with, would stay until the collector comes

    def _run_alone(self, plan: Plan, caller: Caller, watch: Any) -> Answer:
        """Run a request that has no other to share a batch with, at once: without a queue, a future or a turn of the loop."""
        rows, begun = plan.rows, time.monotonic()
        self._count(rows, waited=0.0)
        trace = None if caller.trace is None else BatchTrace([(caller.trace, begun)], len(rows.lengths), self._labels)
        with trace or UNTRACED:
            values = self._compute(plan, trace)
        if isinstance(values, Exception):
            raise values
        answer = self._model.answer(rows, values)
        if watch is not None:
            self._safely_tell(watch, rows, answer, [len(rows.lengths)], [time.monotonic() - begun])
        return answer

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._awake and self._queue:
            self._awake = True
            loop.call_soon(self._turn, loop, MORE_TURNS)

    def _turn(self, loop: asyncio.AbstractEventLoop, more: int) -> None:
        if more and len(self._queue) > 1:
            loop.call_soon(self._turn, loop, more - 1)
            return
        batch = self._take(time.monotonic())
        self._awake = False
        if not batch:
            return
        try:
            self._start(batch, loop)
        except Exception as error:  # whatever went wrong, nobody must wait for ever
            self._deliver(batch, [error] * len(batch))
            self._wake(loop)

    def _start(self, batch: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        rows = Rows.end_to_end([waiting.rows for waiting in batch])
        self._count(rows, waited=time.monotonic() - batch[0].since)
        traced = [(waiting.caller.trace, waiting.since) for waiting in batch if waiting.caller.trace is not None]
        trace = BatchTrace(traced, len(rows.lengths), self._labels) if traced else None
        plan = self._model.plan(rows)
        if plan.seconds <= INLINE_SECONDS:
            outcomes = self._outcomes(batch, rows, self._run(batch, plan, trace))
            self._deliver(batch, outcomes.each)
            self._wake(loop)
            self._watched(batch, rows, outcomes)
            return
        self._switching.run_begins()  # before the thread is woken, and begins to wait for the lock
        try:
            run = loop.run_in_executor(self._executor, self._run, batch, plan, trace)
        except BaseException:
            self._switching.run_ended()
            raise
        self._awake = True
        run.add_done_callback(lambda done: self._after(loop, batch, rows, done))

    def _count(self, rows: Rows, waited: float) -> None:
        tallies.add(self._waited, waited)
        tallies.add(self._rows, len(rows.lengths))
        tallies.add(self._items, len(rows.values))

    def _after(
        self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], rows: Rows, done: "asyncio.Future[Computed]"
    ) -> None:
        # Before the answers are looked at and rendered, which would leave the model waiting; company has come meanwhile.
        self._turn(loop, 0)
        self._switching.run_ended()
        error = RuntimeError("the run was cancelled") if done.cancelled() else done.exception()
        try:
            outcomes = self._outcomes(batch, rows, [error] * len(batch) if isinstance(error, Exception) else done.result())
        except Exception as fault:  # as in `_turn`
            outcomes = _Outcomes([fault] * len(batch))
        self._deliver_by_turns(loop, batch, outcomes.each)
        self._watched(batch, rows, outcomes)

    def _deliver_by_turns(
        self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], outcomes: list[Answer | Exception]
    ) -> None:
        """A few large answers in each turn of the loop, so that rendering all of them does not keep others waiting."""
        items = count = 0
        while count < len(batch) and items < TURN_ITEMS:
            items += len(batch[count].rows.values)
            count += 1
        self._deliver(batch[:count], outcomes[:count])
        if count < len(batch):
            loop.call_soon(self._deliver_by_turns, loop, batch[count:], outcomes[count:])

    def _take(self, now: float) -> list[_Waiting]:
        """The next batch; callers who left, or whose time is up, are not in it."""
        batch: list[_Waiting] = []
        items = 0
        while self._queue and (not batch or items + len(self._queue[0].rows.values) <= MOST_ITEMS):
            waiting = self._queue.popleft()
            if waiting.answer.done():  # cancelled
                continue
            if now > waiting.caller.deadline:
                waited = f"{(now - waiting.since) * 1e3:.0f} ms"
                waiting.answer.set_exception(DeadlineExceeded(f"waited {waited} for the model, past its deadline; not run."))
            elif now - waiting.since > PATIENCE and self._gone(waiting.caller):
                waiting.answer.set_exception(CallerGone())
            else:
                batch.append(waiting)
                items += len(waiting.rows.values)
        return batch

    def _run(self, batch: list[_Waiting], plan: Plan, trace: BatchTrace | None) -> Computed:
        """When the batch fails, each runs alone, so that a bad one fails alone."""
        with trace or UNTRACED:
            together = self._compute(plan, trace)
            if not isinstance(together, Exception):
                return together
            if len(batch) == 1:
                return [together]
            logger.warning("a batch of %d failed with %s; each of it runs alone", len(batch), type(together).__name__)
            return [self._compute(self._model.plan(waiting.rows), trace) for waiting in batch]

    def _compute(self, plan: Plan, trace: BatchTrace | None) -> Floats | Exception:
        begun = time.perf_counter()
        try:
            with trace.model() if trace else UNTRACED:
                return self._model.compute(plan)
        except Exception as error:
            return error
        finally:
            tallies.add(self._ran, time.perf_counter() - begun)

    def _outcomes(self, batch: list[_Waiting], rows: Rows, computed: Computed) -> _Outcomes:
        """On the event loop: in the model's thread each look at the values took Python's lock from it once more."""
        if not isinstance(computed, list):
            whole = self._answer(rows, computed)
            if isinstance(whole, Answer):
                return _Outcomes([*whole.split([waiting.rows for waiting in batch])], whole)
            if len(batch) == 1:
                return _Outcomes([whole])
            computed = [*Rows(computed, [len(waiting.rows.values) for waiting in batch]).split()]
        return _Outcomes([self._answer(waiting.rows, values) for waiting, values in zip(batch, computed, strict=True)])

    def _answer(self, rows: Rows, values: Floats | Exception) -> Answer | Exception:
        if isinstance(values, Exception):
            return values
        try:
            return self._model.answer(rows, values)
        except UnrollError as error:
            return error.with_traceback(None)  # which refers to everything that its batch had
        except Exception as error:
            return error

    def _watched(self, batch: list[_Waiting], rows: Rows, outcomes: _Outcomes) -> None:
        """Tell the observers of an answered batch; one call, if one observer has all of it."""
        now, watch = time.monotonic(), batch[0].watch
        seconds = [now - waiting.since for waiting in batch if waiting.watch is watch]
        if outcomes.whole is not None and len(seconds) == len(batch):
            self._safely_tell(watch, rows, outcomes.whole, [len(waiting.rows.lengths) for waiting in batch], seconds)
            return
        for waiting, outcome in zip(batch, outcomes.each, strict=True):
            if isinstance(outcome, Answer):
                self._safely_tell(waiting.watch, waiting.rows, outcome, [len(waiting.rows.lengths)], [now - waiting.since])

    def _safely_tell(self, watch: Any, rows: Rows, answer: Answer, requests: list[int], seconds: list[float]) -> None:
        if watch is None or self._tell is None:
            return
        try:
            self._tell(watch, rows, answer, requests, seconds)
        except Exception:  # an observer's failure must not fail the request
            logger.exception("telling of a batch failed")

    @staticmethod
    def _gone(caller: Caller) -> bool:
        try:
            return caller.gone()
        except Exception:  # the protocol's own fault must not put the batcher to sleep
            logger.exception("asking whether a caller is there failed")
            return False

    @staticmethod
    def _deliver(batch: list[_Waiting], outcomes: list[Answer | Exception]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
