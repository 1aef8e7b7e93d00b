import numpy as np
import pytest

from contract.rows import Ints
from training.scores.intervals import RESAMPLES, Units, interval, resampled, units_of
from training.scores.metrics import Doubles


def mean_interval(values: Doubles, units: Units, seed: int) -> tuple[float, float]:
    means = [counts @ values / counts.sum(axis=1) for counts in resampled(units, seed)]
    return interval(np.concatenate(means))


def apart(number: int) -> tuple[Ints, Ints]:
    return np.arange(number) * 10, np.arange(number) * 10 + 5


def test_every_sample_has_as_many_units_and_a_seed_repeats_them() -> None:
    units = Units(np.arange(40), 40, 1)
    counts = np.concatenate(list(resampled(units, 1)))
    assert counts.shape == (RESAMPLES, 40)
    assert (counts.sum(axis=1) == 40).all()
    assert (counts == np.concatenate(list(resampled(units, 1)))).all()
    assert (counts != np.concatenate(list(resampled(units, 2)))).any()
    assert counts.mean() == pytest.approx(1)


def test_blocks_are_neighbours_and_the_last_unit_is_one_of_the_first() -> None:
    counts = np.concatenate(list(resampled(Units(np.arange(6), 6, 6), 1)))
    assert (counts == 1).all()  # one block is all units
    counts = np.concatenate(list(resampled(Units(np.arange(9), 9, 3), 1)))
    assert (counts.sum(axis=1) == 9).all()
    starts = counts - np.roll(counts, 1, axis=1)  # a block adds one at its begin, and takes one after its end
    assert (np.abs(starts).sum(axis=1) <= 6).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(9), abs=0.1)


def test_the_interval_of_a_mean_covers_it_in_about_95_of_100_cases() -> None:
    rng = np.random.default_rng(1)
    units = Units(np.arange(60), 60, 1)
    covered = 0
    for seed in range(200):
        low, high = mean_interval(rng.normal(3, 1, 60), units, seed)
        covered += low <= 3 <= high
    assert 0.90 <= covered / 200 <= 0.98


def test_blocks_keep_the_coverage_of_overlapping_rows() -> None:
    rng = np.random.default_rng(1)
    begins = np.arange(150)
    blocks = units_of(begins, begins + 8, None, in_time=True)
    assert blocks.block == 16
    single = Units(begins, 150, 1)
    covered = {1: 0, 16: 0}
    for seed in range(200):
        noise = rng.normal(0, 1, 157)
        rows = np.convolve(noise, np.ones(8) / 8, "valid")  # the means of overlapping rows
        for units in (single, blocks):
            low, high = mean_interval(rows, units, seed)
            covered[units.block] += low <= 0 <= high
    assert covered[1] < 120  # certainty that is not there
    assert covered[16] > 165


def test_rows_apart_are_drawn_one_by_one() -> None:
    assert units_of(*apart(50), None, in_time=False)[1:] == (50, 1)
    assert units_of(*apart(50), None, in_time=True)[1:] == (50, 4)  # the cube root
    assert units_of(*apart(3), None, in_time=False)[1:] == (3, 1)


def test_overlapping_rows_of_many_sequences_are_drawn_as_groups() -> None:
    begins = (np.arange(40)[:, None] * 100 + np.arange(3)).reshape(-1)  # three rows of each of 40 sequences
    units = units_of(begins, begins + 10, None, in_time=False)
    assert units[1:] == (40, 1)
    assert (units.of_answers == np.repeat(np.arange(40), 3)).all()


def test_a_block_is_never_nearly_all_rows() -> None:
    begins = np.arange(18)
    assert units_of(begins, begins + 12, None, in_time=True)[1:] == (18, 6)


def test_answers_per_step_belong_to_their_row_or_to_a_piece_of_it() -> None:
    begins, ends = apart(40)
    units = units_of(begins, ends, ends - begins, in_time=False)
    assert (units.of_answers == np.repeat(np.arange(40), 5)).all()
    few = units_of(np.array([0, 100]), np.array([100, 200]), np.array([100, 200]), in_time=False)
    assert few.number == 30
    assert np.bincount(few.of_answers).tolist() == [10] * 30
    assert len(few.of_answers) == 300


def test_a_sample_without_a_value_is_left_out() -> None:
    assert interval(np.array([1.0, np.nan, 1.0, -np.inf])) == (1, 1)
    assert np.isnan(interval(np.array([np.nan]))).all()
