import numpy as np
import pytest

from tests.training.scores.built import Array, forecast_data, rows_data
from training.scores.baselines import answers_of, at_most, found_season, places, scales_of, season_of


def test_naive_repeats_the_last_value_of_each_target() -> None:
    data = forecast_data(np.stack([np.arange(20), 100 + np.arange(20)], axis=1), 4, 3, targets=(1, 0))
    side = data.held_out.some(1)
    assert data.inputs(side).values[-1].tolist() == [13, 113]
    assert answers_of("naive", data, side, "rmse").tolist() == [[113, 13, 113, 13, 113, 13]]
    assert data.answers(side).tolist() == [[114, 14, 115, 15, 116, 16]]


def test_seasonal_repeats_the_last_season() -> None:
    data = forecast_data(np.arange(40.0), 6, 5)
    side = data.held_out.some(1)
    last = data.inputs(side).values[:, 0].tolist()
    assert last == [22, 23, 24, 25, 26, 27]
    assert answers_of("seasonal:3", data, side, "rmse").tolist() == [[25, 26, 27, 25, 26]]
    assert answers_of("seasonal:6", data, side, "rmse").tolist() == [[22, 23, 24, 25, 26]]


def test_baselines_of_a_forecast_at_each_step() -> None:
    data = forecast_data(np.arange(40.0), 5, 1, per_step=True)
    side = data.held_out.some(1)
    assert data.inputs(side).values[:, 0].tolist() == [23, 24, 25, 26, 27]
    assert answers_of("naive", data, side, "rmse")[:, 0].tolist() == [23, 24, 25, 26, 27]
    # the value 3 steps before the answer; the row begins too late for the first two
    assert answers_of("seasonal:3", data, side, "rmse")[:, 0].tolist() == [23, 24, 23, 24, 25]


def test_the_mean_is_that_of_the_training_answers() -> None:
    rows = [np.zeros((2, 1))] * 10
    data = rows_data("regress", rows, np.stack([np.arange(10), 10 * np.arange(10)], axis=1))
    assert answers_of("mean", data, data.held_out, "rmse").tolist() == [[3, 30]] * 3  # of rows 0 to 6
    per_step = rows_data("regress", rows, np.arange(20.0)[:, None], per_step=True)
    assert answers_of("mean", per_step, per_step.held_out, "rmse").tolist() == [[6.5]] * 6


def test_the_constant_of_absolute_errors_is_the_median() -> None:
    data = rows_data("regress", [np.zeros((2, 1))] * 10, np.array([[0.0], [0], [0], [0], [5], [6], [7], [8], [9], [9]]))
    assert answers_of("mean", data, data.held_out, "mae").tolist() == [[0]] * 3
    assert answers_of("mean", data, data.held_out, "rmse")[0].tolist() == pytest.approx([18 / 7])
    data = forecast_data(np.stack([np.arange(20.0), np.full(20, 7)], axis=1), 4, 2, targets=(0, 1))
    assert answers_of("mean", data, data.held_out, "mae")[0].tolist() == [8.5, 7, 8.5, 7]  # the answers are 4, 5; ... 12, 13


def test_the_majority_is_the_share_of_each_training_class() -> None:
    labels = np.array([0, 1, 1, 1, 2, 1, 0, 2, 2, 2])
    data = rows_data("classify", [np.zeros((2, 1))] * 10, labels, classes=3)
    given = answers_of("majority", data, data.held_out, "rmse")
    assert given.shape == (3, 3)
    assert given[0] == pytest.approx([2 / 7, 4 / 7, 1 / 7])


@pytest.mark.parametrize(("name", "season"), [("seasonal:12", 12), ("seasonal:0", None), ("seasonal:", None), ("naive", None)])
def test_the_name_of_a_season(name: str, season: int | None) -> None:
    assert season_of(name) == season


def seasonal(period: int, steps: int, slope: float = 0.0, noise: float = 0.3) -> Array:
    time = np.arange(steps)
    return np.asarray(np.sin(2 * np.pi * time / period) + slope * time + np.random.default_rng(1).normal(0, noise, steps))


@pytest.mark.parametrize("slope", [0.0, 0.05])
def test_a_season_is_found_under_noise_and_a_trend(slope: float) -> None:
    assert found_season(forecast_data(seasonal(12, 300, slope), 36, 12)) == 12
    assert found_season(forecast_data(seasonal(7, 300, slope), 36, 12)) == 7
    assert found_season(forecast_data(seasonal(12, 300, slope), 36, 12, per_step=True)) == 12


def test_a_season_needs_two_periods_in_a_row() -> None:
    assert found_season(forecast_data(seasonal(12, 300), 24, 12)) == 12
    assert found_season(forecast_data(seasonal(12, 300), 23, 12)) is None


def test_noise_and_a_random_walk_have_no_season() -> None:
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 1, 400)
        assert found_season(forecast_data(noise, 36, 12)) is None
        assert found_season(forecast_data(np.cumsum(noise), 36, 12)) is None
    assert found_season(forecast_data(np.ones(100), 36, 12)) is None


def test_only_a_forecast_has_a_season() -> None:
    assert found_season(rows_data("regress", [seasonal(4, 40)[:, None]] * 10, np.arange(10.0)[:, None])) is None


def test_the_scale_of_mase_is_the_change_over_a_season() -> None:
    data = forecast_data(np.stack([2 * np.arange(40.0), np.tile([0.0, 1.0], 20)], axis=1), 6, 2, targets=(0, 1))
    assert scales_of(data, 1).tolist() == [2, 1]
    assert scales_of(data, 2).tolist() == [4, 0]
    assert np.isnan(scales_of(data, 6)).all()


def test_evenly_chosen_rows_have_few_steps() -> None:
    data = forecast_data(np.arange(500.0), 10, 1)
    assert len(data.train) > 300
    few = at_most(data.train, 200)
    assert few.lengths.sum() <= 200
    assert len(at_most(data.train, 5)) == 1
    assert len(at_most(data.train, 10**6, rows=7)) <= 7


def test_places_of_ragged_rows() -> None:
    rows = [np.zeros((length, 1)) for length in (2, 3, 1)] * 3
    data = rows_data("regress", rows, np.zeros((9, 1)))
    place, local = places(data.train.some(2))
    assert local.tolist() == [0, 1, 0, 1]
    assert place.tolist() == [0, 1, 6, 7]
