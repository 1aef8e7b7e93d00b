from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from training.sequences.formats.times import in_order, numbers_of


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "2.5", "30"],
        ["2024-01-09", "2024-01-10", "2024-02-01"],
        ["2024-01-09 10:00", "2024-01-09T11:00:00", "2024-01-10"],
        ["2024-01-09T10:00:00+00:00", "2024-01-09T10:30:00Z", "2024-01-10T00:00:00+00:00"],
        ["1949-01", "1949-02", "1950-01"],
        ["2012/1/9", "2012/1/10", "2012/11/1"],
        ["1970 Q1", "1970 Q2", "1971-Q1"],
        ["Jan 1 2000", "Feb 1 2000", "Jan 1 2001"],
        ["9.1.2024", "10.01.2024", "01.02.2024"],
        ["01/02/2024", "01/13/2024", "02/01/2024"],
        [np.datetime64("2024-01-09", "ms"), np.datetime64("2024-01-10", "ms"), np.datetime64("2025-01-01", "ms")],
        [1, 2, 4],
    ],
)
def test_times_are_numbers_in_their_order(cells: list[Any]) -> None:
    times, reason = numbers_of(pa.array(cells))
    assert reason is None
    assert times is not None
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["01/02/2024"], "'01/02/2024' may mean two dates: write times as numbers, or as 2024-01-31 or 2024-01-31T12:30:00"),
        (["soon"], "'soon' is no time that is understood: write times as numbers, or as 2024-01-31 or 2024-01-31T12:30:00"),
        (["1", "", "3"], "1 times are missing, the first in row 2: fill them in, or leave the rows out"),
    ],
)
def test_what_is_no_time_is_said(cells: list[str], reason: str) -> None:
    assert numbers_of(pa.array(cells)) == (None, reason)


def test_order_is_within_each_sequence() -> None:
    order, times, twice = in_order(np.array([3.0, 1, 2, 9, 9]), np.array([3, 2]))
    assert order is not None
    assert (order.tolist(), times.tolist(), twice) == ([1, 2, 0, 3, 4], [1, 2, 3, 9, 9], 1)
    assert in_order(np.array([1.0, 2, 0]), np.array([2, 1]))[0] is None
