from typing import Any

import pytest

from benchmarks.soak import html, said, verdict


def windows(memory_per_hour: float = 0.0, last_p99: float = 10.0, **changed: Any) -> list[dict[str, Any]]:
    """An hour in 60 windows."""
    names = {"offered_rps": 100.0, "seconds": 60.0, "goodput_rps": 100.0, "accepted": 6000, "wrong": 0}
    return [
        {
            **names,
            "p50_ms": 2.0,
            "late_p99_ms": 1.5,
            "hours": m / 60,
            "total_mb": 500 + memory_per_hour * m / 60 + m % 2,
            "p99_ms": last_p99 if m > 30 else 10.0,
            **changed,
        }
        for m in range(1, 61)
    ]


def test_level_memory_and_a_steady_tail_are_good() -> None:
    found = verdict(windows())
    assert found["good"]
    assert (found["requests"], found["wrong"], found["error_share"]) == (360_000, 0, 0)


@pytest.mark.parametrize(
    "bad", [{"memory_per_hour": 20.0}, {"last_p99": 13.0}, {"wrong": 1}, {"accepted": 5990}], ids=lambda bad: next(iter(bad))
)
def test_growth_a_longer_tail_wrong_answers_or_errors_are_bad(bad: dict[str, Any]) -> None:
    assert not verdict(windows(**bad))["good"]


def test_growth_over_the_whole_time_has_an_interval() -> None:
    growth, low, high = verdict(windows(memory_per_hour=50.0))["growth"]
    assert low < growth < high
    assert growth == pytest.approx(50 / 528, rel=0.02)


def test_page_and_sentences_tell_the_verdict() -> None:
    of = windows()
    result = {**verdict(of), "hours": 1.0, "offered_rps": 100.0, "rows": 100, "workers": 1, "machine": {}, "windows": of}
    assert said(result)[0].startswith("Good: 1 hours at 100 requests/s")
    assert "fell behind by 1.5 and 1.5 ms" in said(result)[2]
    assert html(result).count("<svg") == 3
