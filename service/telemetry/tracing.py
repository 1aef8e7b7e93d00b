"""Traces, for an OpenTelemetry collector: a request, its wait in the queue, the batch it was in, the model's run.

Whether a request is traced is decided before anything is made for it: as its caller says (`traceparent`), else by chance.
A batch belongs to the trace of the first of its requests that is traced, and links to them (MOST_LINKS). No span carries a
value that a user sent, nor the text of an error, which may quote one.

The SDK collects the spans, encodes them and sends them, in a thread of its own. It does not make them: its tracer's spans can
be written to from anywhere until they end, and cost 25 to 45 us each, ours, written by one, 3 us. At four for a traced request
that was most of what tracing one request in a hundred cost.
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
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MOST_LINKS: Final = 128
"""Of a batch, to the first of its requests that are traced: as many as OpenTelemetry's SDK keeps."""
STOP_SECONDS: Final = 2.0
UNTRACED: Final = nullcontext()
_propagator: Final = TraceContextTextMapPropagator()
_ids: Final = RandomIdGenerator()
_SCOPE: Final = InstrumentationScope("unroll")
_KEPT: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status()


class _Sink(NamedTuple):
    """Where spans go when they have ended."""

    processor: BatchSpanProcessor
    resource: Resource


class _Span:
    """One thing that takes time, from now, or `begun` (nanoseconds), until `end`. `parent`: None for a trace's first."""

    __slots__ = ("_begun", "_kind", "_links", "_name", "_parent", "attributes", "context", "sink", "status")

    def __init__(
        self,
        sink: _Sink,
        name: str,
        parent: SpanContext | None,
        attributes: dict[str, str | int] | None = None,
        links: Sequence[Link] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        begun: int | None = None,
    ) -> None:
        trace, state = (_ids.generate_trace_id(), None) if parent is None else (parent.trace_id, parent.trace_state)
        self.context = SpanContext(trace, _ids.generate_span_id(), is_remote=False, trace_flags=_KEPT, trace_state=state)
        self.sink, self.attributes, self.status = sink, attributes or {}, _UNSET
        self._name, self._parent, self._links, self._kind = name, parent, links, kind
        self._begun = time.time_ns() if begun is None else begun

    def end(self, ended: int | None = None) -> None:
        self.sink.processor.on_end(
            ReadableSpan(
                self._name,
                self.context,
                self._parent,
                self.sink.resource,
                self.attributes,
                links=self._links,
                kind=self._kind,
                status=self.status,
                start_time=self._begun,
                end_time=time.time_ns() if ended is None else ended,
                instrumentation_scope=_SCOPE,
            )
        )


class RequestTrace:
    """A traced request's span, above those of what is done for it."""

    def __init__(self, span: _Span) -> None:
        self.span = span

    @property
    def trace_id(self) -> str:
        return f"{self.span.context.trace_id:032x}"

    def end(self, status: int, outcome: str) -> None:
        self.span.attributes |= {"http.response.status_code": status, "unroll.outcome": outcome}
        if status >= 500:
            self.span.status = Status(StatusCode.ERROR, outcome)
        self.span.end()


class BatchTrace:
    """A batch's span, while the batch runs. `waited`: its requests that are traced, and since when (`time.monotonic`) they
    wait."""

    def __init__(self, waited: Sequence[tuple[RequestTrace, float]], rows: int, labels: tuple[str, str]) -> None:
        now, at = time.time_ns(), time.monotonic()
        first = waited[0][0].span
        attributes: dict[str, str | int] = {"unroll.model": labels[0], "unroll.version": labels[1], "unroll.rows": rows}
        links = [Link(trace.span.context) for trace, _ in waited[:MOST_LINKS]]
        self._span = _Span(first.sink, "batch", first.context, attributes, links, begun=now)
        link = [Link(self._span.context)]
        for trace, since in waited:
            begun = now - round((at - since) * 1e9)
            _Span(first.sink, "queue", trace.span.context, links=link, begun=begun).end(now)

    @contextmanager
    def model(self) -> Iterator[None]:
        """One run of the model."""
        span = _Span(self._span.sink, "model", self._span.context)
        try:
            yield
        except Exception as error:
            span.attributes["error.type"] = type(error).__name__
            span.status = Status(StatusCode.ERROR, type(error).__name__)
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
        self._sink: _Sink | None = None

    @property
    def on(self) -> bool:
        """Whether any request may be traced."""
        return self._endpoint is not None

    def start(self) -> None:
        """Begin, with a thread of its own that sends what was traced."""
        if self._endpoint is None:
            return
        exporter = OTLPSpanExporter(f"{self._endpoint.rstrip('/')}/v1/traces")
        processor = BatchSpanProcessor(exporter)  # 2,048 spans, or OTEL_BSP_MAX_QUEUE_SIZE, may wait; then the oldest go
        self._sink = _Sink(processor, Resource.create(self._resource))

    def stop(self) -> None:
        """Send what waits, if the collector takes it soon."""
        if self._sink is not None:
            closing = threading.Thread(target=self._sink.processor.shutdown, name="last spans", daemon=True)
            closing.start()
            closing.join(STOP_SECONDS)

    def begin(self, headers: dict[bytes, bytes], method: str, route: str) -> RequestTrace | None:
        """The trace of a request that is to be traced, which few are."""
        if self._sink is None:
            return None
        stated = headers.get(b"traceparent")
        parent = None
        if stated is not None and len(stated) >= 55:  # version-trace-parent-flags
            if stated[54] not in b"13579bdf":  # the caller's trace is not kept: neither is our part of it
                return None
            carrier = {name: headers.get(name.encode(), b"").decode("latin-1") for name in ("traceparent", "tracestate")}
            remote = get_current_span(_propagator.extract(carrier, Context())).get_span_context()
            parent = remote if remote.is_valid else None
        if parent is None and random.random() >= self._ratio:  # noqa: S311 - nobody gains by guessing
            return None
        attributes: dict[str, str | int] = {"http.request.method": method, "http.route": route}
        return RequestTrace(_Span(self._sink, f"{method} {route}", parent, attributes, kind=SpanKind.SERVER))
