import pytest

from benchmarks.load import wrk
from benchmarks.load.wrk import Load

OUTPUT = """Running 2s test @ http://127.0.0.1:1/predict
  1 threads and 64 connections
Requests/sec:    500.00
RESULT {"requests": 1000, "seconds": 2.0, "p50_us": 1500.0, "p99_us": 4000.0, "max_us": 9000.0, "status": 10, "socket": 2, \
"timeout": 1, "checked": 990, "wrong": 3}
"""


def test_a_result_counts_only_good_answers_as_speed() -> None:
    assert wrk.parse(OUTPUT) == Load(rps=495.0, p50_ms=1.5, p99_ms=4.0, max_ms=9.0, failed=13, checked=990, wrong=3)


def test_output_without_a_result_raises() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_speeds_become_medians_and_failures_a_sum() -> None:
    loads = [Load(100, 1, 5, 10, 0, 0, 0), Load(300, 3, 9, 40, 2, 5, 1), Load(200, 2, 7, 20, 1, 5, 0)]
    assert wrk.medians(loads) == Load(200, 2, 7, 40, 3, 10, 1, rounds=(100, 300, 200))


def test_the_failures_of_a_checked_pass_are_added_to_another_pass() -> None:
    joined = Load(100, 1, 5, 10, 1, 0, 0).with_checks(Load(50, 2, 9, 20, 2, 40, 3))
    assert joined == Load(100, 1, 5, 10, 3, 40, 3)
