from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from training.sequences.check import check
from training.sequences.formats.times import in_order, numbers_of, uneven
from training.sequences.source import Source


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
        (["1", "", "3"], "1 time missing, the first in row 2: fill them in, or leave the rows out"),
    ],
)
def test_what_is_no_time_is_said(cells: list[str], reason: str) -> None:
    assert numbers_of(pa.array(cells)) == (None, reason)


def test_order_is_within_each_sequence() -> None:
    order, times, twice = in_order(np.array([3.0, 1, 2, 9, 9]), np.array([3, 2]))
    assert order is not None
    assert (order.tolist(), times.tolist(), twice) == ([1, 2, 0, 3, 4], [1, 2, 3, 9, 9], 1)
    assert in_order(np.array([1.0, 2, 0]), np.array([2, 1]))[0] is None


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (["2024-01-09", "2024-01-10", "2024-01-11", "2024-01-14"], "1 gap; the commonest step is 1 day"),
        (["2024-01-09T06:00", "2024-01-09T12:00", "2024-01-09T14:00", "2024-01-09T20:00"], "0 gaps and 1 shorter step; the"),
        (["1", "2", "3", "7", "8", "11"], "2 gaps; the commonest step is 1:"),
        (["2001-01", "2001-02", "2001-03", "2001-04", "2001-05", "2001-06", "2001-08"], "1 gap; the commonest step is 31 days"),
        (["2001-01", "2001-02", "2001-03", "2001-04", "2001-05"], None),
        (["1970 Q1", "1970 Q2", "1970 Q3", "1970-Q4", "1971 Q1"], None),
        (["2003-01-01", "2004-01-01", "2005-01-01"], None),
    ],
)
def test_gaps_in_time_are_said(cells: list[str], what: str | None) -> None:
    times, _ = numbers_of(pa.array(cells))
    assert times is not None
    said = uneven(times, np.array([len(cells)]), dated=not cells[0].isdigit())
    assert said is None if what is None else said is not None and f"times are uneven: {what}" in said
    assert uneven(np.arange(5) * times[0], np.array([2, 3]), dated=True) is None


def test_dropped_steps_leave_a_gap(tmp_path: Path) -> None:
    lines = [f"2024-{n // 28 + 1:02}-{n % 28 + 1:02},{'' if n in (5, 6) else n}" for n in range(28)]
    (tmp_path / "my.csv").write_text("date,value\n" + "\n".join(lines))
    report, _ = check(Source(str(tmp_path / "my.csv"), length=5, missing="drop"))
    assert report.warnings[-1] == ("times are uneven: 1 gap; the commonest step is 1 day: the model takes all steps as equal")
