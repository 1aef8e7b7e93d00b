"""Traces, for an OpenTelemetry collector: a request, its wait in the queue, the batch it was in, the model's run.

The header `traceparent` decides whether a request is traced; without it a random sample is. That is decided before any span is
made. A batch belongs to the trace of its first traced request, and links to all of them (MOST_LINKS). No span carries a
value that a user sent, nor the text of an error, which may quote one.

The SDK collects, encodes and sends the spans in a thread of its own. Its tracer is not used: any thread may write to its
spans until they end, which costs 25 to 45 us a span. Ours cost 3 us. A traced request has four.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MOST_LINKS: Final = 128
"""Most links of a batch to its traced requests: OpenTelemetry's SDK keeps so many."""
STOP_SECONDS: Final = 2.0
UNTRACED: Final = nullcontext()
_propagator: Final = TraceContextTextMapPropagator()
_ids: Final = RandomIdGenerator()
_SCOPE: Final = InstrumentationScope("unroll")
_KEPT: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status()


class _Sink(NamedTuple):
    """Takes spans that have ended."""

    processor: BatchSpanProcessor
    resource: Resource


class _Span:
    """A span from `begun` (nanoseconds; default: now) until `end`. `parent`: None for the first span of a trace."""

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
    """The span of a traced request: the parent of its other spans."""

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
    """The span of a running batch. `waited`: its traced requests, and since when each has waited (`time.monotonic`)."""

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
    """The tracing of one worker. `endpoint`: the collector's address, without `/v1/traces`; None: no request is traced.
    `ratio`: the share of requests without `traceparent` that are traced."""

    def __init__(self, endpoint: str | None, ratio: float, resource: dict[str, str]) -> None:
        self._ratio = ratio
        self._endpoint, self._resource = endpoint, resource
        self._sink: _Sink | None = None

    @property
    def on(self) -> bool:
        """Whether any request may be traced."""
        return self._endpoint is not None

    def start(self) -> None:
        """Start the thread that sends spans."""
        if self._endpoint is None:
            return
        # Without a collector a worker goes without Protocol Buffers: 2 MB and 40 ms.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporter = OTLPSpanExporter(f"{self._endpoint.rstrip('/')}/v1/traces")
        processor = BatchSpanProcessor(exporter)  # keeps 2,048 spans or OTEL_BSP_MAX_QUEUE_SIZE, then drops the oldest
        self._sink = _Sink(processor, Resource.create(self._resource))

    def stop(self) -> None:
        """Send the spans that wait, for STOP_SECONDS at most."""
        if self._sink is not None:
            closing = threading.Thread(target=self._sink.processor.shutdown, name="last spans", daemon=True)
            closing.start()
            closing.join(STOP_SECONDS)

    def begin(self, headers: dict[bytes, bytes], method: str, route: str) -> RequestTrace | None:
        """The trace of this request; None if it is not traced."""
        if self._sink is None:
            return None
        stated = headers.get(b"traceparent")
        parent = None
        if stated is not None and len(stated) >= 55:  # version-trace-parent-flags
            if stated[54] not in b"13579bdf":  # the client's trace is not recorded, so neither is our part
                return None
            carrier = {name: headers.get(name.encode(), b"").decode("latin-1") for name in ("traceparent", "tracestate")}
            remote = get_current_span(_propagator.extract(carrier, Context())).get_span_context()
            parent = remote if remote.is_valid else None
        if parent is None and random.random() >= self._ratio:  # noqa: S311 - nobody gains by guessing
            return None
        attributes: dict[str, str | int] = {"http.request.method": method, "http.route": route}
        return RequestTrace(_Span(self._sink, f"{method} {route}", parent, attributes, kind=SpanKind.SERVER))
