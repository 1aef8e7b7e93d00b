"""An OpenTelemetry collector of twenty lines: takes OTLP over HTTP on loopback and keeps the spans."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.servers.stub_server import Quiet, listening


class Collector:
    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self._came = Condition()

    def take(self, body: bytes) -> None:
        with self._came:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({a.key: a.value.string_value for a in resource.resource.attributes})
                self.spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self._came.notify_all()

    def wait_for(self, enough: Callable[[list[Span]], bool], seconds: float = 30) -> list[Span]:
        """All spans, once there are enough."""
        with self._came:
            assert self._came.wait_for(lambda: enough(self.spans), seconds), [span.name for span in self.spans]
            return list(self.spans)


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(Quiet):
        def post(self, body: bytes) -> None:
            assert self.path == "/v1/traces"
            collector.take(body)
            self.reply(200)

    collector = Collector()
    with listening(Handler) as collector.url:
        yield collector
