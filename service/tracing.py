"""Traces, for an OpenTelemetry collector: a request, its wait in the queue, the batch it was in, the model's run.

Whether a request is traced is decided before anything is made for it: as its caller says (`traceparent`), else by chance.
A batch belongs to the trace of the first of its requests that is traced, and links to all of them. No span carries a value
that a user sent, nor the text of an error, which may quote one.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

WAITING_SPANS: Final = 2048
"""That wait for the collector, in one worker; the oldest go when it does not keep up, or is gone."""
STOP_SECONDS: Final = 2.0
UNTRACED: Final = nullcontext()
_propagator: Final = TraceContextTextMapPropagator()


class RequestTrace(NamedTuple):
    """A traced request's span, and who makes those below it."""

    tracer: Tracer
    span: Span

    @property
    def trace_id(self) -> str:
        return f"{self.span.get_span_context().trace_id:032x}"

    def end(self, status: int, outcome: str) -> None:
        self.span.set_attributes({"http.response.status_code": status, "unroll.outcome": outcome})
        if status >= 500:
            self.span.set_status(Status(StatusCode.ERROR, outcome))
        self.span.end()


class BatchTrace:
    """A batch's span, while the batch runs. `waited`: its requests that are traced, and since when (`time.monotonic`) they
    wait."""

    def __init__(self, waited: Sequence[tuple[RequestTrace, float]], rows: int, labels: tuple[str, str]) -> None:
        now, at = time.time_ns(), time.monotonic()
        first = waited[0][0]
        self._tracer = first.tracer
        attributes: dict[str, str | int] = {"unroll.model": labels[0], "unroll.version": labels[1], "unroll.rows": rows}
        links = [Link(trace.span.get_span_context()) for trace, _ in waited]
        self._span = self._tracer.start_span("batch", set_span_in_context(first.span), links=links, attributes=attributes)
        link = [Link(self._span.get_span_context())]
        for trace, since in waited:
            begun = now - round((at - since) * 1e9)
            parent = set_span_in_context(trace.span, Context())
            trace.tracer.start_span("queue", parent, links=link, start_time=begun).end(now)

    @contextmanager
    def model(self) -> Iterator[None]:
        """One run of the model."""
        span = self._tracer.start_span("model", set_span_in_context(self._span, Context()))
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._span.end()


class Tracing:
    """Of one worker. `endpoint` is a collector's, without `/v1/traces`; without one nothing is traced. `ratio` of the
    requests whose callers do not say whether they are traced are."""

    def __init__(self, endpoint: str | None, ratio: float, resource: dict[str, str]) -> None:
        self._ratio = ratio
        self._endpoint, self._resource = endpoint, resource
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    @property
    def on(self) -> bool:
        """Whether any request may be traced."""
        return self._endpoint is not None

    def start(self) -> None:
        """Begin, with a thread of its own that sends what was traced."""
        if self._endpoint is None:
            return
        exporter = OTLPSpanExporter(f"{self._endpoint.rstrip('/')}/v1/traces")
        self._provider = TracerProvider(ALWAYS_ON, Resource.create(self._resource), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=WAITING_SPANS))
        self._tracer = self._provider.get_tracer("unroll")

    def stop(self) -> None:
        """Send what waits, if the collector takes it soon."""
        if self._provider is not None:
            closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
            closing.start()
            closing.join(STOP_SECONDS)

    def begin(self, headers: dict[bytes, bytes], method: str, route: str) -> RequestTrace | None:
        """The trace of a request that is to be traced, which few are."""
        if self._tracer is None:
            return None
        stated = headers.get(b"traceparent")
        parent = None
        if stated is not None and len(stated) >= 55:  # version-trace-parent-flags
            if stated[54] not in b"13579bdf":  # the caller's trace is not kept: neither is our part of it
                return None
            carrier = {name: headers.get(name.encode(), b"").decode("latin-1") for name in ("traceparent", "tracestate")}
            parent = _propagator.extract(carrier, Context())
            if not get_current_span(parent).get_span_context().is_valid:
                parent = None
        if parent is None and random.random() >= self._ratio:  # noqa: S311 - nobody gains by guessing
            return None
        attributes = {"http.request.method": method, "http.route": route}
        span = self._tracer.start_span(f"{method} {route}", parent or Context(), SpanKind.SERVER, attributes)
        return RequestTrace(self._tracer, span)
