import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.report import intervals


def test_intervals_use_students_t_and_cover_the_mean_in_95_percent() -> None:
    found = intervals.mean([9.0, 10.0, 11.0])
    assert found.value == 10
    assert found.half == pytest.approx(4.303 / 3**0.5, rel=1e-3)  # t of two degrees of freedom
    rng = np.random.default_rng(0)
    covered = [one.low <= 5 <= one.high for one in (intervals.mean(rng.normal(5, 2, 5).tolist()) for _ in range(1000))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_a_slope_and_its_interval() -> None:
    x = np.arange(50.0)
    found = intervals.slope(x.tolist(), (3 * x + np.random.default_rng(1).normal(0, 1, 50)).tolist())
    assert found.low < 3 < found.high
    assert found.half < 0.05


def test_one_repeat_has_no_bounds_and_equal_repeats_have_no_width() -> None:
    assert intervals.mean([3.0]) == (3.0, -math.inf, math.inf)
    assert intervals.mean([3.0, 3.0, 3.0]) == (3.0, 3.0, 3.0)


def test_a_geometric_mean_has_bounds_above_zero_that_are_as_many_times_away() -> None:
    found = intervals.geometric_mean([1.0, 10.0, 100.0])
    assert found.value == pytest.approx(10)
    assert 0 < found.low < 10
    assert found.value / found.low == pytest.approx(found.high / found.value)


def wandering(rng: np.random.Generator, number: int = 540, share: float = 0.8) -> list[float]:
    """Memory that keeps `share` of its distance from 500 MB from one value to the next, and does not grow."""
    values = [0.0]
    for noise in rng.normal(0, 1, number + 100):
        values.append(share * values[-1] + noise)
    return [500 + value for value in values[-number:]]


def test_the_slope_of_autocorrelated_memory_has_an_interval_that_plain_least_squares_would_get_wrong() -> None:
    rng, hours = np.random.default_rng(5), (np.arange(540) / 540).tolist()
    plain, ours = [], []
    for _ in range(200):
        memory = wandering(rng)
        fitted, found = stats.linregress(hours, memory), intervals.slope(hours, memory)
        assert found.value == pytest.approx(fitted.slope)
        plain.append(abs(fitted.slope) <= stats.t.ppf(0.975, 538) * fitted.stderr)
        ours.append(found.low <= 0 <= found.high)
    assert np.mean(plain) < 0.6  # of intervals that call themselves 95 %
    assert np.mean(ours) > 0.8


def test_without_autocorrelation_the_interval_is_as_wide_as_that_of_plain_least_squares() -> None:
    rng, x = np.random.default_rng(0), np.arange(540.0)
    ratios = []
    for _ in range(50):
        y = rng.normal(0, 1, 540)
        plain = stats.t.ppf(0.975, 538) * stats.linregress(x, y).stderr
        ratios.append(intervals.slope(x.tolist(), y.tolist()).half / plain)
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_a_line_has_an_interval_at_each_value() -> None:
    x = np.arange(50.0)
    found = intervals.line(x.tolist(), (3 * x + np.random.default_rng(1).normal(0, 1, 50)).tolist())
    assert len(found.heights) == 50
    assert all(height.low < height.value < height.high for height in found.heights)
    assert found.heights[-1].value - found.heights[0].value == pytest.approx(49 * found.slope.value)


def test_two_values_have_no_slope() -> None:
    assert intervals.slope([0.0, 1.0], [1.0, 2.0]) == (0.0, -math.inf, math.inf)


@pytest.mark.parametrize(("first", "second"), [(2, 2), (3, 3), (2, 5), (3, 5), (4, 4)])
def test_the_least_p_is_that_of_sides_that_lie_apart(first: int, second: int) -> None:
    one, other = [1.0 + n for n in range(first)], [100.0 + n for n in range(second)]
    assert intervals.difference(one, other).p == pytest.approx(intervals.least_p(first, second))


def test_the_least_repeats_are_the_first_whose_least_p_is_significant() -> None:
    assert intervals.least_repeats() == 4
    assert intervals.least_p(3, 3) > intervals.SIGNIFICANT >= intervals.least_p(4, 4)


def test_a_difference_has_the_interval_of_welch() -> None:
    found = intervals.difference([10.0, 12.0, 11.0, 13.0], [20.0, 26.0, 23.0, 21.0])
    assert found.change.value == 11
    assert (found.change.low, found.change.high) == pytest.approx((7.04, 14.96), abs=0.01)
