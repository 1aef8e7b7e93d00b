from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.manifest import Domain, Quantity
from contract.rows import Floats
from tests.training.scores.built import forecast_data, rows_data
from training.sequences.dataset import Dataset, domain_of
from training.sequences.scaling import Scaling, scaling_of

finite = st.floats(-(2.0**100), 2.0**100, width=32)


@settings(deadline=None)
@given(values=st.lists(finite, min_size=2, max_size=20))
def test_the_domain_becomes_the_unit_and_back(values: list[float]) -> None:
    array = np.array(values, np.float32)[None, :, None]
    domain = domain_of(array)
    if domain.high - domain.low < 1e-4 * max(abs(domain.low), abs(domain.high)):
        return  # `check` refuses such data
    data = rows_data("echo", [array[0]], array[0], per_step=True)
    scaling = scaling_of(replace(data, features=[Quantity(name="x", domain=domain)]), "domain")
    unit = scaling.inputs_to_unit(array)
    assert unit.dtype == np.float32
    assert unit.min() == 0
    assert unit.max() <= 1
    back = scaling.outputs_from_unit(unit, array)
    assert np.abs(back - array).max() <= scaling.rounding + 1e-6 * scaling.widest


def test_an_echo_is_scaled_as_before_the_tasks() -> None:
    """By one number for all items: (x - low) / (high - low), in float32. `rounding`: two steps at the larger end."""
    data = rows_data("echo", [np.array([[-40.0], [260.0]])] * 4, np.zeros((8, 1)))
    scaling = scaling_of(replace(data, features=[Quantity(name="x", domain=Domain(low=-40.0, high=260.5))]), "domain")
    low, width = np.float32(-40.0), np.float32(260.5) - np.float32(-40.0)
    row = np.array([[[-40.0], [0.3], [17.0]]], np.float32)
    assert (scaling.inputs_to_unit(row) == (row - low) / width).all()
    outputs = np.array([[0.25, 0.7]], np.float32)  # many_to_one: the row at once
    assert (scaling.outputs_from_unit(outputs, row) == outputs * width + low).all()
    assert scaling.widest == width
    assert scaling.rounding == 2 * np.spacing(np.float32(260.5))


def uneven() -> Dataset:
    """Two features. The second is constant in the 7 training rows, and the held-out rows lie far away."""
    rng = np.random.default_rng(1)
    taught = [np.stack([rng.normal(50, 9, length), np.full(length, 4.1)], axis=1) for length in range(2, 9)]
    return rows_data("regress", [*taught, *[np.full((3, 2), 1e6)] * 3], rng.normal([700, -2], 3, (10, 2)))


def test_standard_takes_moments_of_training_rows_only_and_a_constant_feature_has_width_1() -> None:
    data = uneven()
    scaling = scaling_of(data, "standard")
    taught = np.concatenate([data.values[s : s + n] for s, n in zip(data.train.starts, data.train.lengths, strict=True)])
    unit = scaling.inputs_to_unit(taught)
    np.testing.assert_allclose(unit.mean(0), [0, 0], atol=1e-5)
    np.testing.assert_allclose(unit.std(0), [1, 0], atol=1e-5)
    assert scaling.width[1] == 1
    answers = data.answers(data.train)
    unit = scaling.targets_to_unit(answers, None)
    np.testing.assert_allclose(unit.mean(0), [0, 0], atol=1e-4)
    np.testing.assert_allclose(unit.std(0), [1, 1], atol=1e-4)
    assert scaling.widest == pytest.approx(answers.std(0).max())
    np.testing.assert_allclose(scaling.outputs_from_unit(unit, None), answers, rtol=1e-6, atol=1e-5)


def test_the_future_of_a_feature_has_the_feature_s_own_scale() -> None:
    series = np.random.default_rng(1).normal([5, -700], [1, 40], (200, 2))
    scaling = scaling_of(forecast_data(series, 10, 3, targets=(1, 0)), "standard")
    assert scaling.target_width is not None
    assert scaling.target_width.tolist() == scaling.width[[1, 0, 1, 0, 1, 0]].tolist()
    scaling = scaling_of(forecast_data(series, 10, 1, per_step=True, targets=(1,)), "standard")
    assert scaling.target_low is not None
    assert scaling.target_low.tolist() == scaling.low[[1]].tolist()


def test_classes_are_not_scaled() -> None:
    data = rows_data("classify", [np.ones((3, 1)) * n for n in range(9)], np.arange(9) % 3, classes=3)
    for kind in ("domain", "standard", "window"):
        scaling = scaling_of(data, kind)
        outputs = np.array([[3.0, -2.0, 0.5]], np.float32)
        assert (scaling.outputs_from_unit(outputs, np.ones((1, 3, 1), np.float32)) == outputs).all()
        assert (scaling.widest, scaling.rounding) == (1.0, 0.0)


class Windows(NamedTuple):
    scaling: Scaling
    rows: Floats  # (batch, 24, 2), far from 0


@pytest.fixture
def windows() -> Windows:
    series = 1e5 + np.cumsum(np.random.default_rng(1).normal(0, [1, 30], (200, 2)), axis=0)
    scaling = scaling_of(forecast_data(series, 24, 3, targets=(1,)), "window")
    rows = np.stack([series[start : start + 24] for start in range(0, 160, 16)]).astype(np.float32)
    return Windows(scaling, rows)


def test_a_window_has_mean_0_and_deviation_1_and_its_answer_is_scaled_back(windows: Windows) -> None:
    scaling, rows = windows
    unit = scaling.inputs_to_unit(rows)
    np.testing.assert_allclose(unit.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(unit.std(1), 1, atol=1e-4)
    wide = rows.astype(np.float64)
    deviation = np.sqrt(wide.var(1, keepdims=True) + scaling.width.astype(np.float64) ** 2)
    by_hand = (wide - wide.mean(1, keepdims=True)) / deviation
    np.testing.assert_allclose(unit, by_hand, atol=2e-5)
    outputs = np.random.default_rng(2).normal(0, 1, (10, 3)).astype(np.float32)
    answer = scaling.outputs_from_unit(outputs, rows)
    np.testing.assert_allclose(answer, outputs * deviation[:, 0, 1:] + wide.mean(1)[:, 1:], rtol=1e-6)
    np.testing.assert_allclose(scaling.targets_to_unit(answer, rows), outputs, atol=1e-3)


def test_a_flat_window_is_divided_by_a_thousandth_of_the_feature_s_deviation(windows: Windows) -> None:
    scaling, rows = windows
    flat = np.full_like(rows, 7)
    assert (scaling.inputs_to_unit(flat) == 0).all()
    answer = scaling.outputs_from_unit(np.ones((10, 3), np.float32), flat)
    np.testing.assert_allclose(answer, 7 + scaling.width[1], rtol=1e-6)
    constant = scaling_of(forecast_data(np.full((200, 1), 3.0) + 1e-9, 24, 3), "window")
    assert constant.width.tolist() == [np.float32(1e-12)]


def test_tensors_are_scaled_like_arrays(windows: Windows) -> None:
    scaling, rows = windows
    outputs = np.ones((10, 3), np.float32)
    np.testing.assert_allclose(scaling.inputs_to_unit(tf.constant(rows)).numpy(), scaling.inputs_to_unit(rows), atol=1e-6)
    np.testing.assert_allclose(
        scaling.outputs_from_unit(tf.constant(outputs), tf.constant(rows)).numpy(), scaling.outputs_from_unit(outputs, rows)
    )


def test_a_row_is_scaled_alike_to_the_last_bit_alone_and_in_company(windows: Windows) -> None:
    scaling, rows = windows
    together = scaling.inputs_to_unit(rows)
    for row, unit in zip(rows, together, strict=True):
        assert (scaling.inputs_to_unit(row[None])[0] == unit).all()


def test_windows_need_rows_of_one_length_with_one_answer() -> None:
    for data in (uneven(), forecast_data(np.arange(90.0), 10, 1, per_step=True)):
        with pytest.raises(ValueError, match="expected rows of one length, and one answer for each row"):
            scaling_of(data, "window")
    with pytest.raises(ValueError, match="expected scaling domain, standard or window; received minmax"):
        scaling_of(uneven(), "minmax")


def test_steps_of_overlapping_rows_count_once() -> None:
    data = forecast_data(np.concatenate([np.zeros(30), np.ones(170)]), 20, 2)
    taught = data.values[: int(data.train.starts[-1]) + 20]
    assert scaling_of(data, "standard").low[0] == pytest.approx(taught.mean())
