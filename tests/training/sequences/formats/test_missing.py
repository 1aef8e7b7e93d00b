from pathlib import Path

import numpy as np
import pytest

from training.sequences.check import check
from training.sequences.formats.missing import carried
from training.sequences.source import Source

NAN = float("nan")


def test_the_past_of_the_same_sequence_fills_missing_numbers() -> None:
    column = np.array([NAN, 1, NAN, NAN, 4, NAN, NAN, 10, NAN], np.float32)
    assert carried(column, np.array([6, 3])).tolist() == [1, 1, 1, 1, 4, 4, 10, 10, 10]
    assert np.isnan(carried(np.array([NAN, NAN, 1], np.float32), np.array([2, 1]))).tolist() == [True, True, False]


def series(folder: Path) -> str:
    lines = [f"{n},{'' if n in (5, 6) else 'NA' if n == 20 else n}" for n in range(100)]
    (folder / "my.csv").write_text("time,value\n" + "\n".join(lines))
    return str(folder / "my.csv")


def test_a_file_with_missing_numbers_is_refused_filled_or_cut(tmp_path: Path) -> None:
    path = series(tmp_path)
    report, dataset = check(Source(path, length=5))
    assert dataset is None
    assert [str(fault) for fault in report.faults] == [
        "my.csv, line 7, column value: the cell is empty",
        "my.csv, line 8, column value: the cell is empty",
        "my.csv, line 22, column value: 'NA' is not a number",
    ]
    report, dataset = check(Source(path, length=5, missing="fill"))
    assert dataset is not None
    assert dataset.values[:, 0].tolist() == [4 if n in (5, 6) else 19 if n == 20 else n for n in range(100)]
    assert "3 missing numbers filled with the value before" in report.warnings
    report, dataset = check(Source(path, length=5, missing="drop"))
    assert dataset is not None
    assert len(dataset.values) == 97
    assert report.warnings[0] == "3 steps with missing cells are left out"


def test_rows_of_an_array_are_dropped_whole(tmp_path: Path) -> None:
    inputs, targets = np.random.default_rng(1).normal(size=(60, 5, 2)), np.arange(60.0)
    inputs[3, 1, 0] = inputs[3, 2, 1] = targets[7] = NAN
    np.savez(tmp_path / "my.npz", inputs=inputs, targets=targets)
    report, dataset = check(Source(str(tmp_path / "my.npz"), missing="drop"))
    assert dataset is not None
    assert report.warnings == ["2 rows with missing cells are left out"]
    assert sorted(np.asarray(dataset.targets)[:, 0].tolist()) == [n for n in range(60) if n not in (3, 7)]
    assert len(dataset.values) == 58 * 5


def test_a_missing_class_is_a_fault_or_drops_its_row(tmp_path: Path) -> None:
    lines = [f"{n // 4},{n * 7 % 13},{'' if n // 4 == 3 else 'a' if n // 4 % 2 else 'b'}" for n in range(240)]
    (tmp_path / "my.csv").write_text("sequence,value,label\n" + "\n".join(lines))
    report, _ = check(Source(str(tmp_path / "my.csv")))
    assert str(report.faults[0]) == "my.csv: the cell is empty: 4 cells in column label, first in line 14"
    report, dataset = check(Source(str(tmp_path / "my.csv"), missing="drop"))
    assert dataset is not None
    assert report.classes == {"a": 29, "b": 30}


@pytest.mark.parametrize("per_step", [False, True])
def test_a_forecast_has_no_missing_step_as_its_target(tmp_path: Path, per_step: bool) -> None:
    walk = np.cumsum(np.random.default_rng(3).normal(size=600))
    gone = np.arange(600) % 40 == 7
    lines = [f"{n},{'' if gone[n] else walk[n]}" for n in range(600)]
    (tmp_path / "my.csv").write_text("time,value\n" + "\n".join(lines))
    report, dataset = check(
        Source(
            str(tmp_path / "my.csv"),
            task="forecast",
            length=6,
            horizon=None if per_step else 3,
            per_step=per_step,
            missing="fill",
        )
    )
    assert dataset is not None
    sides = dataset.train, dataset.validation, dataset.held_out
    assert any("rows are left out: an answer to them is missing" in warning for warning in report.warnings)
    before = set(walk[np.flatnonzero(gone) - 1].astype(np.float32).tolist())
    for side in sides:
        first, last = (1, 7) if per_step else (6, 9)
        places = side.starts[:, None] + np.arange(first, last)
        assert not gone[places].any()
        assert dataset.answers(side).reshape(-1).tolist() == walk[places].astype(np.float32).reshape(-1).tolist()
        assert before & set(dataset.inputs(side).values.reshape(-1).tolist())  # gaps in the inputs were filled


def test_a_random_walk_of_which_most_is_missing_is_refused(tmp_path: Path) -> None:
    walk = np.cumsum(np.random.default_rng(3).normal(size=2000))
    lines = [f"{n},{'' if n % 4 else walk[n]}" for n in range(2000)]
    (tmp_path / "my.csv").write_text("time,value\n" + "\n".join(lines))
    report, dataset = check(Source(str(tmp_path / "my.csv"), task="forecast", length=12, horizon=4, missing="fill"))
    assert dataset is None
    assert "too few rows to train on: 0" in str(report.faults[0])


@pytest.mark.parametrize("of_steps", [False, True])
def test_rows_without_their_target_are_left_out(tmp_path: Path, of_steps: bool) -> None:
    inputs = np.random.default_rng(1).normal(size=(60, 5, 2))
    targets = np.arange(300.0).reshape(60, 5) if of_steps else np.arange(60.0)
    targets[7], inputs[9, 2, 0] = NAN, NAN
    np.savez(tmp_path / "my.npz", inputs=inputs, targets=targets)
    report, dataset = check(Source(str(tmp_path / "my.npz"), missing="fill"))
    assert dataset is not None
    assert report.warnings == [
        "1 missing number filled with the value before",
        "1 of 60 rows are left out: an answer to them is missing",
    ]
    rows = [int(start) // 5 for side in (dataset.train, dataset.validation, dataset.held_out) for start in side.starts]
    assert sorted(rows) == [n for n in range(60) if n != 7]
    assert dataset.values[47, 0] == dataset.values[46, 0]
