import json
from typing import Any

import numpy as np
import pytest

from benchmarks.random_shapes import (
    FEATURES,
    MOST_COMPANY_STEPS,
    MOST_NUMBERS,
    MOST_ROWS,
    MOST_STEPS,
    Answered,
    Counts,
    Row,
    Series,
    answers,
    any_company,
    any_shape,
    line,
    verdict,
)
from loadtests.client import Answer

MINUTES = [number / 6 for number in range(1, 61)]


def answer(*probabilities: float) -> Answer:
    """An answer to one row for each number."""
    labels = ["a" if p > 0.5 else "b" for p in probabilities]
    document = {"labels": labels, "probabilities": [[p, 1 - p] for p in probabilities]}
    return Answer(200, json.dumps(document).encode())


def test_shapes_are_small_and_large_and_no_request_has_too_many_numbers() -> None:
    rng = np.random.default_rng(0)
    shapes = np.array([any_shape(rng) for _ in range(5000)])
    assert shapes.min() == 1
    assert (shapes <= (MOST_ROWS, MOST_STEPS)).all()
    assert (shapes.max(axis=0) > (0.9 * MOST_ROWS, 0.9 * MOST_STEPS)).all()
    assert (shapes.prod(axis=1) * FEATURES).max() <= MOST_NUMBERS


def test_a_company_has_several_rows_of_the_pool_each_once() -> None:
    rng = np.random.default_rng(0)
    pool = [Row(0, steps) for steps in (1, 2, 5, 50, *[MOST_COMPANY_STEPS] * 20)]
    for _ in range(200):
        company = any_company(rng, pool)
        assert 2 <= len(company) == len(set(company))
        assert sum(pool[number].steps for number in company) * FEATURES <= MOST_NUMBERS


def test_a_body_has_the_steps_of_each_row() -> None:
    series = Series(50)
    (whole, part) = json.loads(series.body([Row(0, 50), Row(7, 3)]))["sequences"]
    assert np.shape(whole) == (50, FEATURES)
    assert part == whole[7:10]
    row = series.row(np.random.default_rng(0), 50)
    assert row == Row(0, 50)


def test_answers_are_compared_to_the_last_bit() -> None:
    alone = answers(answer(0.75).body)
    assert alone == [Answered("a", np.array([0.75, 0.25], np.float32).tobytes())]
    counts, next_float = Counts(), float(np.nextafter(np.float32(0.75), np.float32(1)))
    assert counts.count(answer(0.75), 1, alone) == "ok"
    assert (counts.compared, counts.different) == (1, 0)
    assert counts.count(answer(0.75, next_float), 2, alone * 2) == "ok"
    assert (counts.compared, counts.different) == (3, 1)


def test_requests_are_counted_by_their_outcome() -> None:
    counts = Counts()
    assert counts.count(answer(0.1, 0.2), 2, None) == "ok"
    assert counts.count(Answer(429, b"{}"), 1, None) == "refused"
    for wrong in (answer(0.1), Answer(500, b"{}"), Answer(200, b"[1"), Answer(200, b"{}"), Answer(0, b"gone")):
        assert counts.count(wrong, 2, None) == "failed"
    assert counts.requests == {"ok": 1, "refused": 1, "failed": 5}
    assert (counts.rows, counts.compared) == (2, 0)
    assert "failed 5 (0 b'gone')" in line(1.0, 200.0, counts)


def counted(**changed: Any) -> Counts:
    counts = Counts()
    counts.requests.update(ok=10)
    counts.rows = counts.compared = 100
    for name, value in changed.items():
        setattr(counts, name, value)
    return counts


def test_level_memory_and_equal_bits_are_good() -> None:
    memory = [200 + number % 7 for number in range(len(MINUTES))]
    found = verdict(MINUTES, [150.0, *memory[1:]], counted())
    assert found["good"]
    assert (found["mb"]["least"], found["mb"]["most"], found["rows_compared"]) == (200, 206, 100)


@pytest.mark.parametrize("changed", [{"different": 1}, {"compared": 0}])
def test_a_different_bit_and_no_comparison_are_bad(changed: dict[str, Any]) -> None:
    assert not verdict(MINUTES, [200.0] * len(MINUTES), counted(**changed))["good"]


def test_growing_memory_and_failed_requests_are_bad() -> None:
    growing = [200 + 2 * minute for minute in MINUTES]
    found = verdict(MINUTES, growing, counted())
    assert not found["good"]
    assert found["growth"][0] == pytest.approx(20 / 212, rel=0.02)
    failed = counted()
    failed.requests["failed"] = 1
    assert not verdict(MINUTES, [200.0] * len(MINUTES), failed)["good"]
