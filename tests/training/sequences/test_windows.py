from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.sequences.check import check
from training.sequences.source import Source
from training.sequences.windows import HELD_OUT, LEFT_OUT, TRAIN, VALIDATION, Horizon, blocks_with_gaps, by_time, overlapping


def steps_of(side: Any, where: Horizon) -> tuple[set[int], set[int]]:
    """The steps that a side's rows have as inputs, and as targets."""
    inputs = {start + n for start in side.starts.tolist() for n in range(where.length)}
    return inputs, {start + n for start in side.starts.tolist() for n in range(where.first, where.span)}


@settings(deadline=None, max_examples=200)
@given(
    lengths=st.lists(st.integers(1, 120), min_size=1, max_size=4),
    length=st.integers(1, 12),
    horizon=st.integers(1, 6),
    stride=st.integers(1, 4),
    per_step=st.booleans(),
)
def test_no_target_of_a_later_side_is_seen_earlier(
    lengths: list[int], length: int, horizon: int, stride: int, per_step: bool
) -> None:
    of = np.array(lengths)
    offsets = np.cumsum(of) - of
    where = Horizon.of(length, horizon, per_step)
    sides = by_time(offsets, of, where, stride, (0.15, 0.2), np.zeros(len(of), np.bool_))
    (taught, answers), (_, validated), (_, judged) = (steps_of(side, where) for side in sides)
    assert not (taught | answers) & (validated | judged)
    assert not validated & judged
    for side in sides:
        for start in side.starts.tolist():
            series = np.searchsorted(offsets, start, "right") - 1
            assert start + where.span <= offsets[series] + of[series]
        assert (side.answers == side.starts + length).all()
        assert (side.lengths == length).all()
    for series in range(len(of)):  # every step of the held-out time that a row can answer is answered with stride 1
        held_from = of[series] - round(0.2 * of[series])
        if stride == 1 and not per_step and held_from >= length and of[series] - held_from >= horizon:
            assert set(range(offsets[series] + held_from, offsets[series] + of[series])) <= judged


def test_one_time_cuts_all_series_of_a_panel(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    begins = {"old": (0, 150), "young": (100, 200), "whole": (0, 200)}
    lines = [f"{name},{time},{rng.normal()}" for name, (first, end) in begins.items() for time in range(first, end)]
    (tmp_path / "my.csv").write_text("series,time,value\n" + "\n".join(lines))
    path = str(tmp_path / "my.csv")
    _, dataset = check(Source(path, task="forecast", length=5, horizon=2))
    assert dataset is not None
    times = np.concatenate([np.arange(first, end) for first, end in begins.values()])
    train, validation, judged = (
        (times[side.starts + 6].max(), times[side.starts + 5].min())
        for side in (dataset.train, dataset.validation, dataset.held_out)
    )
    assert train[0] < validation[1] <= validation[0] < judged[1]  # no target of an earlier side is as late as a later side's
    assert 0.1 < (times >= judged[1]).mean() < 0.3
    assert dataset.facts.sequences_held_out == 2  # the old series has ended before
    (tmp_path / "test.csv").write_text("series,time,value\n" + "\n".join(f"new,{n},{rng.normal()}" for n in range(50)))
    _, official = check(Source(path, task="forecast", length=5, horizon=2, test=str(tmp_path / "test.csv"), missing="drop"))
    assert official is not None
    assert official.held_out.starts.tolist() == list(range(450, 450 + 44))


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("first", [0, 150])
def test_targets_of_a_test_file_that_occur_in_training_are_not_judged(tmp_path: Path, first: int, stride: int) -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=301)).astype(np.float32)
    for name, part in (("train", walk[:200]), ("test", walk[first + 1 : 301 if first else 201])):
        (tmp_path / f"{name}.csv").write_text("value\n" + "\n".join(map(str, part)))
    source = Source(str(tmp_path / "train.csv"), task="forecast", length=5, horizon=3, test=str(tmp_path / "test.csv"))
    report, dataset = check(replace(source, stride=stride))
    assert any("also occur among the training data: they are left out" in warning for warning in report.warnings)
    if not first:
        assert dataset is None
        assert "too few rows to hold out" in str(report.faults[0])
        return
    assert dataset is not None
    assert set(dataset.answers(dataset.held_out).reshape(-1).tolist()).isdisjoint(walk[:200].tolist())
    assert len(dataset.held_out) > 80 / stride


def test_an_official_series_is_held_out_whole() -> None:
    where = Horizon.of(10, 2, per_step=False)
    train, validation, judged = by_time(np.array([0, 100]), np.array([100, 30]), where, 1, (0.15, 0.2), np.array([False, True]))
    assert (len(train), len(validation), len(judged)) == (85 - 11, 15 - 1, 30 - 11)
    assert judged.starts.tolist() == list(range(100, 119))


@pytest.mark.parametrize("shift", [1, 3, 9])
def test_windows_that_were_cut_before_are_recognised(shift: int) -> None:
    series = np.random.default_rng(1).normal(size=(400, 2)).astype(np.float32)
    rows = np.stack([series[first : first + 10] for first in range(0, 390, shift)])
    seen = overlapping(rows)
    assert seen is not None
    assert (seen[0], bool(seen[1].all())) == (shift, True)
    assert overlapping(np.random.default_rng(1).normal(size=(100, 10, 2)).astype(np.float32)) is None
    assert overlapping(rows[np.random.default_rng(1).permutation(len(rows))]) is None


def test_equal_ends_of_rows_are_no_overlap() -> None:
    rows = np.random.default_rng(1).normal(size=(100, 10, 1)).astype(np.float32)
    rows[:, 0], rows[:, -2:] = 0, 0  # as padding leaves them
    assert overlapping(rows) is None


@pytest.mark.parametrize(("rows", "gap"), [(2000, 11), (300, 11), (300, 1)])
def test_blocks_leave_a_gap_between_sides(rows: int, gap: int) -> None:
    sides = blocks_with_gaps(rows, gap, (0.15, 0.2), np.random.default_rng(1).random(10))
    for one in (TRAIN, VALIDATION, HELD_OUT):
        for other in {TRAIN, VALIDATION, HELD_OUT} - {one}:
            apart = np.abs(np.flatnonzero(sides == one)[:, None] - np.flatnonzero(sides == other))
            assert apart.min() > gap
    assert 0.1 < (sides == HELD_OUT).mean() < 0.3


def test_own_windows_of_stride_1_in_a_file_are_split_without_a_common_step(tmp_path: Path) -> None:
    series = np.cumsum(np.random.default_rng(1).normal(size=600))
    rows = np.stack([series[first : first + 12] for first in range(580)])
    ahead = np.stack([series[first + 12 : first + 16] for first in range(580)])
    np.savez(tmp_path / "my.npz", inputs=rows, targets=ahead)
    report, dataset = check(Source(str(tmp_path / "my.npz"), per_step=False))
    assert dataset is not None
    assert report.warnings[0] == (
        "rows are windows of 12 steps that begin 1 step after each other: they are split by blocks of time, and "
        f"{580 - sum(map(len, (dataset.train, dataset.validation, dataset.held_out)))} rows between blocks are left out"
    )
    assert dataset.facts.split == "by blocks of time"
    seen = [
        {*dataset.inputs(side).values.reshape(-1).tolist(), *dataset.answers(side).reshape(-1).tolist()}
        for side in (dataset.train, dataset.validation, dataset.held_out)
    ]
    assert seen[0].isdisjoint(seen[1] | seen[2])
    assert seen[1].isdisjoint(seen[2])


def test_too_few_windows_are_refused_with_a_way_out(tmp_path: Path) -> None:
    series = np.cumsum(np.random.default_rng(1).normal(size=100))
    np.savez(
        tmp_path / "my.npz", inputs=np.stack([series[first : first + 40] for first in range(60)]), labels=np.arange(60) % 2
    )
    report, dataset = check(Source(str(tmp_path / "my.npz")))
    assert dataset is None
    assert "rows that overlap lose their neighbours at each block: bring the series itself" in str(report.faults[0])
    assert LEFT_OUT == 3


def test_a_labelled_series_is_split_by_blocks_beside_an_official_one(tmp_path: Path) -> None:
    for name, seed in (("train", 1), ("test", 2)):
        values = np.random.default_rng(seed).normal(size=400)
        lines = [f"{value},{'up' if value > 0 else 'down'}" for value in values]
        (tmp_path / f"{name}.csv").write_text("value,label\n" + "\n".join(lines))
    train, test = (str(tmp_path / f"{name}.csv") for name in ("train", "test"))
    _, alone = check(Source(train, length=5))
    assert alone is not None
    assert (alone.facts.split, alone.facts.sequences_train, alone.facts.sequences_held_out) == ("by blocks of time", 16, 4)
    _, dataset = check(Source(train, length=5, test=test))
    assert dataset is not None
    assert (dataset.task, dataset.facts.split, len(dataset.held_out)) == ("label", "by file", 80)
    assert dataset.held_out.starts.tolist() == list(range(400, 800, 5))
    assert (len(dataset.train) + len(dataset.validation), len(dataset.validation)) == (80, 12)
    assert (dataset.answers(dataset.held_out) == (dataset.inputs(dataset.held_out).values[:, 0] > 0)).all()
