from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.training.scores.built import forecast_data, plan_of, rows_data
from training.fitting import batches as module
from training.fitting.batches import Batches, time_axes
from training.sequences.dataset import Dataset, Side

RNG = np.random.default_rng(1)


def of_lengths(lengths: list[int], per_step: bool = False) -> Dataset:
    """Row n holds n, 100 + n, 200 + n, and so on; its answer is n, or that of each step its value."""
    rows = [np.arange(length)[:, None] * 100.0 + number for number, length in enumerate(lengths)]
    answers = np.concatenate(rows) if per_step else np.arange(len(rows))[:, None]
    return rows_data("regress", rows, answers, per_step=per_step)


def batches_of(data: Dataset) -> Batches:
    return Batches(plan_of(data), data, data.train)  # 8 rows


def gathered(batches: Batches, rows: Any, axis: int = -1) -> list[Any]:
    return [tensor.numpy() for tensor in batches.gather(tf.constant(rows, tf.int64), batches.axes[axis])]


def test_an_epoch_has_each_row_once_in_an_order_of_its_own() -> None:
    batches = batches_of(of_lengths([5] * 100))  # 70 to train on
    orders = [batches.order(1, 0), batches.order(1, 0), batches.order(1, 1), batches.order(2, 0)]
    assert batches.number == 9
    for order in orders:
        assert order.rows.shape == (9, 8)
        assert sorted(order.rows[order.rows >= 0].tolist()) == list(range(70))
    first, again, *others = (order.rows.tolist() for order in orders)
    assert first == again
    assert first not in others
    assert batches.order(None).rows.reshape(-1)[:70].tolist() == list(range(70))


def test_a_few_long_rows_do_not_lengthen_the_other_batches() -> None:
    lengths = [*([10] * 60), 400, 300, *([9] * 8), *([1] * 30)]
    batches = batches_of(of_lengths(lengths))
    assert batches.axes == [10, 400]
    order = batches.order(1, 0)
    rows = order.rows
    assert sorted(rows[rows >= 0].tolist()) == list(range(70))
    assert len(rows) == batches.number == 9
    for batch, axis in zip(rows, order.axes, strict=True):
        longest = max(lengths[row] for row in batch if row >= 0)
        assert longest <= batches.axes[axis]
        assert (axis == 1) == (longest >= 300)
    assert np.count_nonzero(order.axes == 1) == 1


@pytest.mark.parametrize(
    ("lengths", "axes"),
    [
        ([5] * 20, [5]),
        ([7, 29, 29] * 20, [29]),  # less than half of the rows would have 7
        ([*([7] * 30), *([29] * 20)], [7, 29]),
        ([*([8] * 30), *([29] * 20)], [29]),  # 8 is more than a quarter
        ([*([2] * 100), *([9] * 50), *([40] * 20), 900], [9, 40, 900]),
        ([*([2] * 6), 900], [900]),  # no batch would be full
    ],
)
def test_the_time_axes(lengths: list[int], axes: list[int]) -> None:
    assert time_axes(np.array(lengths), batch=8) == axes


def test_a_batch_has_inputs_answers_lengths_and_weight_0_for_padding() -> None:
    inputs, targets, lengths, weights = gathered(batches_of(of_lengths([2, 3, *[1] * 8])), [1, -1, 0])
    assert inputs[..., 0].tolist() == [[1, 101, 201], [0, 100, 100], [0, 100, 100]]
    assert targets.tolist() == [[1], [0], [0]]
    assert lengths.tolist() == [3, 2, 2]
    assert weights.tolist() == [1, 0, 1]
    inputs, targets, lengths, weights = gathered(batches_of(of_lengths([2, 3, *[1] * 8], per_step=True)), [1, -1, 0])
    assert targets.tolist() == inputs.tolist()
    assert weights.tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize("per_step", [True, False])
def test_batches_hold_the_answers_of_the_data_set(per_step: bool) -> None:
    rows = [RNG.normal(0, 1, (6, 2)) for _ in range(12)]
    count = 72 if per_step else 12
    sets = [
        rows_data("classify", rows, RNG.integers(3, size=count), classes=3, per_step=per_step),
        rows_data("regress", rows, RNG.normal(0, 1, (count, 2)), per_step=per_step),
        forecast_data(RNG.normal(0, 1, (40, 3)), 6, 4, per_step=per_step, targets=(2, 0)),
    ]
    for data in sets:
        _, targets, _, _ = gathered(batches_of(data), range(8))
        wanted = data.answers(Side(*(part[:8] for part in data.train)))
        assert targets.reshape(wanted.shape).tolist() == wanted.tolist()


def test_rows_too_long_for_the_memory_are_taught_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CELL_STEPS", 4 * 8 * 4)  # 4 steps of 8 rows and 4 units
    lengths = [9, 4, 1, *[1] * 10]
    last = batches_of(of_lengths(lengths))
    assert last.axes == [4]
    inputs, targets, kept, _ = gathered(last, range(3))
    assert inputs[0, :, 0].tolist() == [500, 600, 700, 800]  # the answer is that of the last step
    assert (targets[:, 0].tolist(), kept.tolist()) == ([0, 1, 2], [4, 4, 1])
    pieces = batches_of(of_lengths(lengths, per_step=True))
    assert pieces.number == -(-11 // 8)  # 9 rows, one of them in three pieces
    inputs, targets, kept, weights = gathered(pieces, range(4))
    assert kept.tolist() == [4, 4, 1, 4]
    assert inputs[:3, 0, 0].tolist() == [0, 400, 800]
    assert (inputs == targets).all()
    assert weights.sum() == 13
