"""What is seen of the batches of one model: their metrics, their traces, and the callback for versions on trial."""

import logging
import time
from collections.abc import Callable
from typing import Any

from contract.rows import Rows
from service.engine.batch_queue import Waiting
from service.engine.batch_runner import Outcomes
from service.runtime.loaded_model import Answer
from service.telemetry import metrics
from service.telemetry.metric_buffer import metric_buffer
from service.telemetry.tracing import BatchTrace, RequestTrace

logger = logging.getLogger(__name__)
OnAnswered = Callable[[Any, Rows, Answer, list[int], list[float]], None]
"""Called with `watch`, the rows end to end, their answer, the number of rows of each request, and the seconds each took.

One call reports all requests of a batch that have the same `watch`: that costs little more than reporting one. The callback
keeps nothing of the batch, so that the next batch gets the same memory while it is still in the processor's cache.
"""


class BatchObserver:
    """`labels` are the model and its version."""

    def __init__(self, labels: tuple[str, str], on_answered: OnAnswered | None) -> None:
        name, _ = labels
        self._labels, self._on_answered = labels, on_answered
        self._waited, self._rows = metrics.queue_seconds.labels(name), metrics.batch_rows.labels(name)
        self._items, self._seconds = metrics.items.labels(*labels), metrics.model_seconds.labels(name)

    def count(self, rows: Rows, waited: float) -> None:
        """A batch begins whose first request waited for so many seconds."""
        metric_buffer.add(self._waited, waited)
        metric_buffer.add(self._rows, len(rows.lengths))
        metric_buffer.add(self._items, len(rows.values))

    def ran(self, seconds: float) -> None:
        """The model has computed for so many seconds."""
        metric_buffer.add(self._seconds, seconds)

    def trace(self, traced: list[tuple[RequestTrace, float]], rows: Rows) -> BatchTrace:
        """Of a batch with traced requests; `traced` says since when each has waited, by `time.monotonic`."""
        return BatchTrace(traced, len(rows.lengths), self._labels)

    def answered(self, batch: list[Waiting], rows: Rows, outcomes: Outcomes) -> None:
        """Report a batch: in one call if all of its requests were answered and have one `watch`, else in one call a request."""
        now, watch = time.monotonic(), batch[0].watch
        seconds = [now - waiting.since for waiting in batch if waiting.watch is watch]
        if outcomes.whole is not None and len(seconds) == len(batch):
            self.report(watch, rows, outcomes.whole, [len(waiting.rows.lengths) for waiting in batch], seconds)
            return
        for waiting, outcome in zip(batch, outcomes.each, strict=True):
            if isinstance(outcome, Answer):
                self.report(waiting.watch, waiting.rows, outcome, [len(waiting.rows.lengths)], [now - waiting.since])

    def report(self, watch: Any, rows: Rows, answer: Answer, requests: list[int], seconds: list[float]) -> None:
        """Call the callback. Its failure does not fail the request."""
        if watch is None or self._on_answered is None:
            return
        try:
            self._on_answered(watch, rows, answer, requests, seconds)
        except Exception:
            logger.exception("reporting an answered batch failed")
