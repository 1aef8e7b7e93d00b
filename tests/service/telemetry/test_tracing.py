"""Against a real collector on loopback."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SentStatus
from opentelemetry.sdk.trace import ReadableSpan

from contract.rows import Floats, Rows
from service.engine.batching import Batcher
from service.engine.switch_interval import SwitchInterval
from service.request_context import Caller
from service.runtime.loaded_model import Answer, Plan
from service.telemetry.tracing import MOST_LINKS, BatchTrace, RequestTrace, Tracing
from tests.collector import Collector, collecting

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01".encode(), f"00-{TRACE}-{PARENT}-00".encode()
SECRET = 0.123456789
WAITING_SPANS = 2048
"""That wait in one worker: OpenTelemetry's default."""


class Model:
    def plan(self, rows: Rows) -> Plan:
        return Plan(rows, None, 1.0 if len(rows.values) > 3 else 0.0)  # so that some run in a thread

    def compute(self, plan: Plan) -> Floats:
        values = plan.rows.values
        if values.max() > 1:
            raise ValueError(f"cannot take {values}")
        return values

    def answer(self, rows: Rows, values: Floats) -> Answer:
        return Answer(values, [True] * len(rows.lengths))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as there:
        yield there


def traced(collector: Collector, ratio: float = 0.0) -> Tracing:
    tracing = Tracing(collector.url + "/", ratio, {"service.name": "unroll", "service.version": "7"})
    tracing.start()
    return tracing


def begin(tracing: Tracing, traceparent: bytes | None = SAMPLED) -> RequestTrace | None:
    headers = {} if traceparent is None else {b"traceparent": traceparent, b"tracestate": b"vendor=1"}
    return tracing.begin(headers, "POST", "/many_to_many")


def run(tracing: Tracing, *requests: tuple[RequestTrace | None, list[float]]) -> list[Answer | BaseException]:
    """These requests in one batch."""

    async def main() -> list[Answer | BaseException]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(Model(), executor, SwitchInterval(), ("many_to_many", "v1"))
            runs = [batcher.run(Rows.of([row]), Caller(trace=trace)) for trace, row in requests]
            return await asyncio.gather(*runs, return_exceptions=True)

    answers = asyncio.run(main())
    for (trace, _), answer in zip(requests, answers, strict=True):
        if trace is not None:
            trace.end(*((200, "ok") if isinstance(answer, Answer) else (500, "internal")))
    tracing.stop()
    return answers


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def attributes(span: Span) -> dict[str, str | int]:
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


@pytest.mark.parametrize("row", [[SECRET], [SECRET] * 4], ids=["on the event loop", "in a thread"])
def test_spans_arrive_with_their_parents_links_and_times(collector: Collector, row: list[float]) -> None:
    tracing = traced(collector, ratio=1.0)
    remote, own = begin(tracing), begin(tracing, None)
    run(tracing, (remote, row), (None, row), (own, row))
    spans = collector.spans
    assert sorted(span.name for span in spans) == ["POST /many_to_many"] * 2 + ["batch", "model", "queue", "queue"]
    (batch,), (model,) = named(spans, "batch"), named(spans, "model")
    first, second = sorted(named(spans, "POST /many_to_many"), key=lambda span: span.trace_id.hex() != TRACE)

    assert (first.trace_id.hex(), first.parent_span_id.hex(), first.trace_state) == (TRACE, PARENT, "vendor=1")
    assert second.trace_id != first.trace_id
    assert second.parent_span_id == b""
    assert first.kind == Span.SPAN_KIND_SERVER
    assert attributes(first)["http.response.status_code"] == 200

    assert batch.parent_span_id == first.span_id
    assert [link.span_id for link in batch.links] == [first.span_id, second.span_id]
    assert [link.trace_id for link in batch.links] == [first.trace_id, second.trace_id]
    assert attributes(batch) == {"unroll.model": "many_to_many", "unroll.version": "v1", "unroll.rows": 3}
    assert (model.parent_span_id, model.trace_id) == (batch.span_id, first.trace_id)
    queues = named(spans, "queue")
    assert {queue.parent_span_id for queue in queues} == {first.span_id, second.span_id}
    assert [[link.span_id for link in queue.links] for queue in queues] == [[batch.span_id]] * 2
    for queue in queues:
        assert first.start_time_unix_nano <= queue.start_time_unix_nano + 1_000_000  # two clocks
        assert queue.end_time_unix_nano <= model.start_time_unix_nano + 1_000_000
    assert batch.start_time_unix_nano <= model.start_time_unix_nano <= model.end_time_unix_nano <= batch.end_time_unix_nano
    assert collector.resources[0].items() >= {"service.name": "unroll", "service.version": "7"}.items()


def test_a_batch_links_to_so_many_of_its_requests_and_all_have_waited(collector: Collector) -> None:
    tracing = traced(collector, ratio=1.0)
    traces = [trace for _ in range(MOST_LINKS + 2) if (trace := begin(tracing, None)) is not None]
    with BatchTrace([(trace, time.monotonic()) for trace in traces], len(traces), ("many_to_many", "v1")):
        pass
    tracing.stop()
    (batch,) = named(collector.spans, "batch")
    assert [link.trace_id.hex() for link in batch.links] == [trace.trace_id for trace in traces[:MOST_LINKS]]
    assert {span.trace_id.hex() for span in named(collector.spans, "queue")} == {trace.trace_id for trace in traces}


def test_a_failed_run_is_marked_and_shows_no_values(collector: Collector) -> None:
    tracing = traced(collector)
    answers = run(tracing, (begin(tracing), [SECRET]), (begin(tracing), [7.0 + SECRET]))
    assert [type(answer) for answer in answers] == [Answer, ValueError]
    models = named(collector.spans, "model")  # the batch, then each of it alone
    assert [span.status.code for span in models] == [
        SentStatus.STATUS_CODE_ERROR,
        SentStatus.STATUS_CODE_UNSET,
        SentStatus.STATUS_CODE_ERROR,
    ]
    assert attributes(models[0])["error.type"] == "ValueError"
    assert "123456" not in str(collector.spans)


def test_traceparent_decides_and_without_it_a_sample_is_traced(collector: Collector) -> None:
    never, always = traced(collector, 0.0), traced(collector, 1.0)
    assert begin(never, None) is None
    assert begin(never, SAMPLED) is not None
    assert begin(always, None) is not None
    assert begin(always, UNSAMPLED) is None
    for nonsense in (b"", b"01", b"00-" + b"0" * 32 + f"-{PARENT}-01".encode(), b"x" * 54 + b"1", SAMPLED[:54]):
        assert begin(never, nonsense) is None
        trace = begin(always, nonsense)
        assert trace is not None
        assert trace.trace_id != TRACE
    never.stop()
    always.stop()


def test_about_the_configured_share_of_requests_is_traced(collector: Collector) -> None:
    tracing = traced(collector, 0.1)
    made = sum(begin(tracing, None) is not None for _ in range(5000))
    tracing.stop()
    assert 350 < made < 650  # seven standard deviations


def test_without_an_endpoint_no_request_is_traced() -> None:
    tracing = Tracing(None, 1.0, {})
    tracing.start()
    assert begin(tracing) is None
    tracing.stop()


def test_a_missing_collector_costs_no_request_and_no_memory() -> None:
    before = set(threading.enumerate())
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        tracing = Tracing(f"http://127.0.0.1:{taken.getsockname()[1]}", 1.0, {})
        tracing.start()
        gc.collect()
        others = sum(isinstance(thing, ReadableSpan) for thing in gc.get_objects())  # of tests before
        for _ in range(2 * WAITING_SPANS):
            trace = begin(tracing, None)
            assert trace is not None
            trace.end(200, "ok")
        kept = sum(isinstance(thing, ReadableSpan) for thing in gc.get_objects()) - others
        assert WAITING_SPANS <= kept <= WAITING_SPANS + 512 + 1  # those that are being sent, and this one
        answers = run(tracing, (begin(tracing, None), [0.5]))
        assert isinstance(answers[0], Answer)
        assert tracing._sink is not None
        tracing._sink.processor.span_exporter.shutdown()  # else it would go on trying beside the tests that follow
        tracing.stop()
    for left in set(threading.enumerate()) - before:
        left.join(30)
        assert not left.is_alive()
