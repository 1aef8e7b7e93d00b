from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.report.soak_statement import said, verdict
from tests.benchmarks.report.figures import soak_result, windows


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


def test_growth_that_plain_least_squares_would_overlook_is_bad() -> None:
    of, off, rng = windows(), 0.0, np.random.default_rng(208)
    for window in of:  # 12 MB an hour are 2.4 %, under memory that wanders
        off = 0.9 * off + rng.normal()
        window["total_mb"] = 500 + 12 * window["hours"] + off
    hours, memory = ([window[name] for window in of[6:]] for name in ("hours", "total_mb"))
    plain = stats.linregress(hours, memory)
    highest = (plain.slope + stats.t.ppf(0.975, len(hours) - 2) * plain.stderr) / np.mean(memory)
    found = verdict(of)
    assert highest < 0.02 < found["growth"][2]
    assert not found["good"]


def test_sentences_tell_the_verdict() -> None:
    lines = said(soak_result())
    assert lines[0].startswith("Good: 1 hours at 100 requests/s")
    assert "fell behind by 1.5 and 1.5 ms" in lines[2]
