"""Lists, arrays and data frames become the same rows, and a refusal says what to type."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from service.errors import InvalidRequest
from unroll.inputs import in_parts, taken

XY = ("x", "y")
STEPS = [[[0.1, 1.0], [0.2, 2.0]], [[0.3, 3.0]]]
LONG = {"id": ["b", "b", "a"], "y": [1.0, 2.0, 3.0], "x": [0.1, 0.2, 0.3]}
SIDE = {"y": [[1.0, 2.0], [3.0]], "x": [[0.1, 0.2], [0.3]]}


@pytest.mark.parametrize(
    "given",
    [
        STEPS,
        tuple(map(tuple, STEPS)),
        [np.array(row) for row in STEPS],
        [np.array(STEPS[0]), STEPS[1]],
        [[np.array(step) for step in row] for row in STEPS],
        pd.DataFrame(LONG),
        pl.DataFrame(LONG),
        pa.table(LONG),
        pl.DataFrame(SIDE),
        pd.DataFrame(SIDE),
        [pl.DataFrame({"y": [1.0, 2.0], "x": [0.1, 0.2]}), pd.DataFrame({"x": [0.3], "y": [3]})],
    ],
    ids=["lists", "tuples", "arrays", "mixed", "steps", "pandas", "polars", "arrow", "polars-lists", "pandas-lists", "frames"],
)
def test_rows_of_two_features(given: Any) -> None:
    rows = taken(given, XY).rows
    assert rows.lengths == [2, 1]
    assert np.array_equal(rows.values, np.array([[0.1, 1], [0.2, 2], [0.3, 3]], np.float32))


@pytest.mark.parametrize(
    "given",
    [
        [[0.1, 2], [0.3, 4]],
        np.array([[0.1, 2], [0.3, 4]]),
        np.array([[[0.1], [2]], [[0.3], [4]]]),
        [np.array([0.1, 2]), np.array([[0.3], [4]])],
        [[np.float64(0.1), np.int64(2)], [0.3, 4]],
        np.array([[0.1, 2], [0.3, 4]], object),
        pl.DataFrame({"series": [2, 2, 1, 1], "value": [0.1, 2, 0.3, 4]}),
    ],
)
def test_rows_of_one_feature(given: Any) -> None:
    rows = taken(given, ["value"]).rows
    assert (rows.lengths, rows.values.ravel().tolist()) == ([2, 2], np.array([0.1, 2, 0.3, 4], np.float32).tolist())


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_frame_is_grouped_by_sequence_and_sorted_by_time_whatever_the_order_of_its_lines(library: Any) -> None:
    days = pd.to_datetime(["2026-01-02", "2026-01-01", "2026-01-01", "2026-01-03"])
    frame = library({"day": days, "who": ["b", "a", "b", "b"], "value": [2.0, 9.0, 1.0, 3.0]})
    given = taken(frame, ["value"], sequence="who", time="day")
    assert given.names is not None
    assert given.names.tolist() == ["b", "a"]  # in the order of their first lines
    assert (given.rows.lengths, given.rows.values.ravel().tolist()) == ([3, 1], [1.0, 2.0, 3.0, 9.0])


@pytest.mark.parametrize(
    ("given", "said", "row"),
    [
        ([0.1, 0.2], "received 0.1 as row 0. Put each row in a list of its own: [[0.1, 0.2]].", 0),
        ([[1], ["0.5"]], "expected numbers; received '0.5' at step 0 of row 1.", 1),
        ([[1, None]], "expected numbers; received None at step 1 of row 0.", 0),
        ([[True]], "expected numbers; received True at step 0 of row 0.", 0),
        ([[1, 2], [3, float("nan")]], "received nan at step 1 of row 1. Fill missing numbers", 1),
        ([[1], [10**400]], "received inf at step 0 of row 1.", 1),
        ([[1e39]], "received inf at step 0 of row 0.", 0),
        ([np.array([1, 2]), np.array([1, np.inf])], "received inf at step 1 of row 1.", 1),
        (np.zeros(3), "expected an array (rows, time); received an array (3,). One row is array[None].", None),
        (np.array([["a"]]), "expected an array of numbers; received one of <U1.", None),
        ("many", "received builtins.str", None),
        (pd.DataFrame({"valeu": [1]}), "value missing; received valeu.", None),
        (pl.DataFrame({"value": [1], "label": ["a"]}), "received also label. Leave label out: frame[['value']].", None),
        (pl.DataFrame({"value": ["a"]}), "expected numbers in column value; received String.", None),
        (pl.DataFrame({"value": [1.0, None]}), "received nan at step 1 of row 0.", 0),
        (pl.DataFrame({"value": [1.0], "time": ["monday"]}), "Read it as dates before", None),
    ],
)
def test_what_is_refused_for_one_feature(given: Any, said: str, row: int | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        taken(given, ["value"])
    assert said in refused.value.detail
    assert refused.value.row == row
    assert (refused.value.type, refused.value.status) == ("urn:unroll:error:invalid-request", 422)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[0.1, 0.2]], "expected rows of steps of 2 numbers; received the number 0.1 as a step. A row is a list of steps"),
        ([[[0.1, 0.2]], [[0.1, 0.2, 0.3]]], "expected steps of 2 numbers; received 3 numbers as step 0 of row 1."),
        ([[[0.1, 0.2], 0.3]], "received 0.3 as step 1 of row 0."),
        (np.zeros((4, 2)), "expected an array (rows, time, 2); received an array (4, 2). One row is array[None]."),
        ([np.zeros((4, 3))], "expected arrays (steps, 2); received an array (4, 3) as row 0."),
        (pl.DataFrame({"x": [[0.1]], "y": [[0.1, 0.2]]}), "expected as many numbers for each feature in a line"),
    ],
)
def test_what_is_refused_for_two_features(given: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        taken(given, XY)
    assert said in refused.value.detail


def test_parts_keep_the_order_and_no_part_is_over_a_limit_but_a_row_that_is_so_alone() -> None:
    rows = taken([[1.0] * length for length in (3, 3, 1, 9, 1, 1, 1)], ["value"]).rows
    assert [part.lengths for part in in_parts(rows, 6, 2)] == [[3, 3], [1], [9], [1, 1], [1]]
    assert sum(len(part.values) for part in in_parts(rows, 6, 2)) == len(rows.values)
