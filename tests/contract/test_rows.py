import numpy as np
import pytest

from contract.rows import Rows, all_finite

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])
UNIFORM = Rows.of([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
WIDE = Rows.of([[[0.1, 1.0], [0.2, 2.0]], [[0.3, 3.0]]], features=2)


def test_parts_undo_end_to_end() -> None:
    requests = [RAGGED, UNIFORM, Rows.of([[1.0]]), UNIFORM]
    parts = Rows.end_to_end(requests).parts([len(request.lengths) for request in requests])
    assert [(part.values.tolist(), part.lengths) for part in parts] == [
        (request.values.tolist(), request.lengths) for request in requests
    ]


def test_rows_split_into_what_they_were_made_of() -> None:
    assert [row.tolist() for row in RAGGED.split()] == [
        Rows.of([row]).values.tolist() for row in ([0.1, 0.2, 0.3], [0.4], [0.5, 0.6])
    ]
    assert (RAGGED.starts.tolist(), UNIFORM.starts.tolist()) == ([0, 3, 4], [0, 3])
    assert (RAGGED.uniform, UNIFORM.uniform) == (None, 3)


def test_an_item_is_a_step_of_all_features() -> None:
    assert (RAGGED.features, WIDE.features) == (1, 2)
    assert (WIDE.values.tolist(), WIDE.lengths) == (np.array([[0.1, 1], [0.2, 2], [0.3, 3]], np.float32).tolist(), [2, 1])
    assert [row.tolist() for row in WIDE.split()] == [WIDE.values[:2].tolist(), WIDE.values[2:].tolist()]
    arrays = [np.array([[0.1, 1], [0.2, 2]], np.float32), np.array([[0.3, 3]], np.float32)]
    assert Rows.of(arrays, 2).values.tolist() == WIDE.values.tolist()


@pytest.mark.parametrize("rows", [[[[1.0], [1.0, 2.0, 3.0]]], [[[1.0, 2.0]], [[1.0]]]], ids=["as many in all", "fewer"])
def test_a_step_of_another_width_is_refused(rows: list[list[list[float]]]) -> None:
    with pytest.raises(ValueError, match="expected steps of 2 numbers; received one of 1"):
        Rows.of(rows, features=2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_found(value: float) -> None:
    values = np.full((3, 4), 3e38, np.float32)
    with np.errstate(over="ignore"):
        assert all_finite(values)
        values[1, 2] = value
        assert not all_finite(values)
