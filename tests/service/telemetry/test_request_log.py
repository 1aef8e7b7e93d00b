import asyncio
import logging
import time

import pytest

from service.telemetry.request_log import CURRENT, RequestLog, current_ids
from service.telemetry.tracing import Tracing
from service.token_bucket import TokenBucket

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def request_log(sample: float = 0.0, per_second: float = 3.0) -> RequestLog:
    return RequestLog(Tracing(None, 0.0, {}), sample, per_second)


def end(log: RequestLog, status: int = 200, outcome: str = "ok") -> None:
    log.end(None, "POST", "/many_to_many", status, outcome, 0.0012345)


def facts(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(vars(record)["status"], vars(record)["outcome"]) for record in caplog.records]


def test_answers_are_sampled_for_the_log_and_errors_always_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for sample in (0.0, 1.0):
        end(request_log(sample))
        end(request_log(sample), 422, "invalid-request")
        end(request_log(sample), 500, "internal")
    assert facts(caplog) == [
        (422, "invalid-request"),
        (500, "internal"),
        (200, "ok"),
        (422, "invalid-request"),
        (500, "internal"),
    ]
    assert [record.levelno for record in caplog.records[:2]] == [logging.INFO, logging.WARNING]
    assert caplog.records[0].getMessage() == "POST /many_to_many 422 invalid-request 1.2 ms"
    assert vars(caplog.records[0])["ms"] == 1.234


def test_log_lines_are_limited_by_kind_and_dropped_lines_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now, crowd = 0.0, request_log(1.0)
    crowd._errors = TokenBucket(3.0, clock=lambda: now)
    for _ in range(10):
        end(crowd, 429, "overloaded")
    end(crowd)
    assert facts(caplog) == [(429, "overloaded")] * 3 + [(200, "ok")]
    now = 0.5
    end(crowd, 429, "overloaded")
    assert vars(caplog.records[-1])["left_out"] == 7


def test_log_lines_of_refusals_without_a_task_are_limited_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now, crowd = 0.0, request_log()
    crowd._errors = TokenBucket(3.0, clock=lambda: now)
    for _ in range(10):
        crowd.see({}, "POST", "/many_to_many", b"id", 429, "overloaded", time.perf_counter())
    assert facts(caplog) == [(429, "overloaded")] * 3
    now = 0.5
    crowd.see({}, "POST", "/many_to_many", b"id", 429, "overloaded", time.perf_counter())
    assert vars(caplog.records[-1])["left_out"] == 7
    assert current_ids() == {}


def test_ids_are_those_of_the_request_of_the_task() -> None:

    async def request(identity: bytes, headers: dict[bytes, bytes]) -> dict[str, str]:
        CURRENT.set((identity, headers, None))
        await asyncio.sleep(0)
        return current_ids()

    async def main() -> list[dict[str, str]]:
        headers: list[dict[bytes, bytes]] = [{b"traceparent": TRACEPARENT}, {}, {b"traceparent": b"00-\xff"}]
        return [*await asyncio.gather(*map(request, (b"one", b"two", b"3"), headers))]

    assert asyncio.run(main()) == [
        {"request_id": "one", "trace_id": "0af7651916cd43dd8448eb211c80319c"},
        {"request_id": "two"},
        {"request_id": "3"},
    ]
    assert current_ids() == {}
