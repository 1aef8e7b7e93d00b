import math
from typing import Any

import numpy as np
import pytest

from contract.manifest import Metric
from contract.rows import Floats, Ints
from training.scores.metrics import (
    OF_CLASSES,
    OF_NUMBERS,
    better_by,
    gain,
    no_worse_than,
    sums_of_classes,
    sums_of_numbers,
    value_of,
)


def numbers(metric: Metric, right: Any, given: Any, scales: tuple[float, ...] = (1.0,)) -> float:
    y, answer = (np.array(each, np.float32) for each in (right, given))
    sums = sums_of_numbers(metric, y, answer, np.arange(len(y)), np.array(scales))
    return float(value_of(metric, sums.sum(axis=0)))


def classes(metric: Metric, right: list[int], given: Any) -> float:
    y: Ints = np.array(right)
    probabilities: Floats = np.array(given, np.float32)
    return float(value_of(metric, sums_of_classes(metric, y, probabilities, np.arange(len(y))).sum(axis=0)))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("mae", 1.5),  # errors 1, -2, 0, 3
        ("rmse", math.sqrt(14 / 4)),
        ("mape", (1 / 1 + 2 / 2 + 0 / 4 + 3 / 5) / 4),
        ("r2", 1 - 14 / 10),  # the mean is 3, the squares are 4, 1, 1, 4
    ],
)
def test_metrics_of_numbers_by_hand(metric: Metric, value: float) -> None:
    right, given = [[1.0], [2.0], [4.0], [5.0]], [[2.0], [0.0], [4.0], [8.0]]
    assert numbers(metric, right, given) == pytest.approx(value)


def test_mase_divides_by_the_scale_of_each_target() -> None:
    assert numbers("mase", [[1, 10], [2, 20]], [[2, 10], [2, 40]], scales=(0.5, 20)) == pytest.approx((0.5 / 0.5 + 10 / 20) / 2)


def test_several_targets_count_the_same_whatever_their_units() -> None:
    right, given = [[0, 0], [0, 0]], [[3, 300], [3, 500]]
    assert numbers("rmse", right, given, (1.0, 1.0)) == pytest.approx((3 + math.sqrt((300**2 + 500**2) / 2)) / 2)


def test_the_steps_of_a_forecast_are_together_one_target() -> None:
    # two steps of two targets: (step 1: a, b; step 2: a, b)
    assert numbers("rmse", [[0, 0, 0, 0]], [[1, 10, 7, 10]], (1.0, 1.0)) == pytest.approx((math.sqrt((1 + 49) / 2) + 10) / 2)


def test_r2_of_large_numbers_keeps_its_digits() -> None:
    right = np.array([[1e6 + step] for step in range(10)])
    assert numbers("r2", right, right + 0.5) == pytest.approx(1 - 2.5 / 82.5)


ONE_HOT = np.eye(3)
# right 0 0 0 1 1 2, answered 0 0 1 1 2 2
RIGHT = [0, 0, 0, 1, 1, 2]
GIVEN = ONE_HOT[[0, 0, 1, 1, 2, 2]]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("accuracy", 4 / 6),
        ("balanced_accuracy", (2 / 3 + 1 / 2 + 1) / 3),
        ("f1", (2 * 2 / (4 + 0 + 1) + 2 * 1 / (2 + 1 + 1) + 2 * 1 / (2 + 1 + 0)) / 3),
    ],
)
def test_metrics_of_classes_by_hand(metric: Metric, value: float) -> None:
    assert classes(metric, RIGHT, GIVEN) == pytest.approx(value)


def test_log_loss_by_hand() -> None:
    given = [[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]
    assert classes("log_loss", [0, 0, 1], given) == pytest.approx(
        -(math.log(0.5) + math.log(0.9) + math.log(0.8)) / 3, rel=1e-6
    )
    assert classes("log_loss", [0], [[0.0, 1.0]]) == pytest.approx(-math.log(1e-7))


def test_an_absent_class_does_not_count() -> None:
    assert classes("balanced_accuracy", [0, 0, 1], ONE_HOT[[0, 2, 1]]) == pytest.approx((1 / 2 + 1) / 2)
    assert classes("f1", [0, 0, 1], ONE_HOT[[0, 0, 1]]) == 1
    assert classes("f1", [0, 0, 1], ONE_HOT[[0, 2, 1]]) == pytest.approx((2 / 3 + 1 + 0) / 3)  # class 2 was answered


def test_sums_by_unit_give_the_same_metric() -> None:
    rng = np.random.default_rng(1)
    right, given = rng.random((2, 20, 2)).astype(np.float32)
    units = np.repeat([0, 1, 2], [5, 12, 3])
    for metric in OF_NUMBERS - {"mape", "mase"}:
        apart = sums_of_numbers(metric, right, given, units, np.ones(2))
        assert len(apart) == 3
        assert float(value_of(metric, apart.sum(axis=0))) == pytest.approx(numbers(metric, right, given, (1, 1)))
    labels, answers = rng.integers(4, size=20), rng.random((20, 4)).astype(np.float32)
    for metric in OF_CLASSES:
        apart = sums_of_classes(metric, labels, answers, units)
        assert len(apart) == 3
        assert float(value_of(metric, apart.sum(axis=0))) == pytest.approx(classes(metric, labels.tolist(), answers))


def test_margins() -> None:
    assert better_by("mae", 2.0, 0.1) == pytest.approx(1.8)
    assert better_by("accuracy", 0.5, 0.05) == pytest.approx(0.55)
    assert better_by("accuracy", 0.98, 0.05) == pytest.approx(0.99)  # 1.03 cannot be reached
    assert better_by("r2", 0.9, 0.1) == pytest.approx(0.91)  # a tenth of the error
    assert no_worse_than("mae", 2.0, 0.1) == pytest.approx(2.2)
    assert no_worse_than("accuracy", 0.9, 0.05) == pytest.approx(0.85)
    assert no_worse_than("r2", 0.9, 0.1) == pytest.approx(0.89)
    assert gain("mae", np.array([1.0]), np.array([3.0])) == 2
    assert gain("f1", np.array([0.25]), np.array([0.5])) == -0.25
