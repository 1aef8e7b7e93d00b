import asyncio
import threading

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from service.telemetry.metric_buffer import MetricBuffer
from service.telemetry.metrics import LATENCIES, Distribution


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_no_count_is_visible_before_the_flush_and_all_are_after_it(registry: CollectorRegistry) -> None:
    counter, buffer = Counter("seen", "Help.", registry=registry), MetricBuffer()
    buffer.add(counter)
    buffer.add(counter, 2.5)
    assert registry.get_sample_value("seen_total") == 0
    buffer.flush()
    assert registry.get_sample_value("seen_total") == 3.5
    buffer.flush()
    assert registry.get_sample_value("seen_total") == 3.5


def test_observing_many_at_once_is_the_same_as_observing_each(registry: CollectorRegistry) -> None:
    amounts = [0.0, -1.0, 9.99, 10, 10.01, 1e9, *LATENCIES, *(0.00003 * n for n in range(1000))]
    all_ = Distribution("all", "Help.", ("route",), registry=registry, buckets=LATENCIES).labels("/x")
    each = Histogram("each", "Help.", ("route",), registry=registry, buckets=LATENCIES).labels("/x")
    buffer = MetricBuffer()
    for amount in amounts:
        buffer.add(all_, amount)
        each.observe(amount)
    buffer.flush()
    samples = {
        metric.name: [(s.labels, s.value) for s in metric.samples if not s.name.endswith(("_sum", "_created"))]
        for metric in registry.collect()
    }
    assert samples["all"] == samples["each"]
    sums = [registry.get_sample_value(f"{name}_sum", {"route": "/x"}) for name in ("all", "each")]
    assert sums[0] == pytest.approx(sums[1])


def test_no_count_is_lost_that_threads_add_during_a_flush(registry: CollectorRegistry) -> None:
    counter, buffer = Counter("seen", "Help.", registry=registry), MetricBuffer()

    def add() -> None:
        for _ in range(20_000):
            buffer.add(counter)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        buffer.flush()
    for thread in threads:
        thread.join()
    buffer.flush()
    assert registry.get_sample_value("seen_total") == 80_000


def test_the_buffer_is_flushed_soon_and_soon_again(registry: CollectorRegistry) -> None:
    counter, buffer = Counter("seen", "Help.", registry=registry), MetricBuffer()

    async def twice() -> None:
        for seen in (2, 4):
            for _ in range(2):
                buffer.add(counter)
                buffer.flush_soon()
            async with asyncio.timeout(10):
                while registry.get_sample_value("seen_total") != seen:
                    await asyncio.sleep(0.001)

    asyncio.run(twice())


def test_a_flush_due_on_an_ended_loop_does_not_stop_the_next(registry: CollectorRegistry) -> None:
    counter, buffer = Counter("seen", "Help.", registry=registry), MetricBuffer()

    async def added(wait: bool) -> None:
        buffer.add(counter)
        buffer.flush_soon()
        async with asyncio.timeout(10):
            while wait and registry.get_sample_value("seen_total") != 2:
                await asyncio.sleep(0.001)

    asyncio.run(added(wait=False))
    asyncio.run(added(wait=True))
