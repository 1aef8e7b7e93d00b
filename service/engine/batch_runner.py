"""Runs a batch on a model: one call for all requests of the batch, or one call a request after that call has failed."""

import logging
import time
from typing import NamedTuple, Protocol

from contract.rows import Floats, Rows
from service.engine.batch_queue import Waiting
from service.errors import UnrollError
from service.runtime.loaded_model import Answer, Plan, cut
from service.telemetry import metrics
from service.telemetry.metric_buffer import metric_buffer
from service.telemetry.tracing import UNTRACED, BatchTrace

logger = logging.getLogger(__name__)


class Model(Protocol):
    """`compute` may be called in a thread, the others are called on the event loop."""

    def plan(self, rows: Rows) -> Plan: ...

    def compute(self, plan: Plan) -> Floats: ...

    def answer(self, rows: Rows, values: Floats) -> Answer: ...


Computed = Floats | list[Floats | Exception]
"""What the model computed for a batch: (items, K) or (rows, K). If that call failed: for each request the same, or an error."""


class Outcomes(NamedTuple):
    """What the requests of a batch get."""

    each: list[Answer | Exception]  # one a request
    whole: Answer | None = None  # the answer to all rows, if every request is answered


class BatchRunner:
    def __init__(self, model: Model, name: str) -> None:
        self._model, self._seconds = model, metrics.model_seconds.labels(name)

    def run(self, batch: list[Waiting], plan: Plan, trace: BatchTrace | None) -> Computed:
        """May be called in a thread. If the batch fails, each request runs alone, so that a bad one fails alone."""
        with trace or UNTRACED:
            together = self.compute(plan, trace)
            if not isinstance(together, Exception):
                return together
            if len(batch) == 1:
                return [together]
            logger.warning("a batch of %d failed with %s; each request runs alone", len(batch), type(together).__name__)
            return [self.compute(self._model.plan(waiting.rows), trace) for waiting in batch]

    def compute(self, plan: Plan, trace: BatchTrace | None) -> Floats | Exception:
        """(items, K) or (rows, K), or the error that the model raised."""
        begun = time.perf_counter()
        try:
            with trace.model() if trace else UNTRACED:
                return self._model.compute(plan)
        except Exception as error:
            return error
        finally:
            metric_buffer.add(self._seconds, time.perf_counter() - begun)

    def outcomes(self, batch: list[Waiting], rows: Rows, computed: Computed) -> Outcomes:
        """On the event loop: in the model's thread, each look at the values would take Python's lock from the loop again."""
        if not isinstance(computed, list):
            whole = self._answer(rows, computed)
            if isinstance(whole, Answer):
                return Outcomes([*whole.split([waiting.rows for waiting in batch])], whole)
            if len(batch) == 1:
                return Outcomes([whole])
            computed = [*cut(computed, [waiting.rows for waiting in batch])]
        return Outcomes([self._answer(waiting.rows, values) for waiting, values in zip(batch, computed, strict=True)])

    def _answer(self, rows: Rows, values: Floats | Exception) -> Answer | Exception:
        if isinstance(values, Exception):
            return values
        try:
            return self._model.answer(rows, values)
        except UnrollError as error:
            return error.with_traceback(None)  # the traceback refers to everything that the batch had
        except Exception as error:
            return error
