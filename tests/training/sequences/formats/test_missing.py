from pathlib import Path

import numpy as np

from training.sequences.check import check
from training.sequences.formats.missing import interpolated
from training.sequences.source import Source

NAN = float("nan")


def test_missing_numbers_lie_between_their_neighbours_of_the_same_sequence() -> None:
    column = np.array([NAN, 1, NAN, NAN, 4, NAN, NAN, 10, NAN], np.float32)
    assert interpolated(column, np.array([6, 3])).tolist() == [1, 1, 2, 3, 4, 4, 10, 10, 10]
    times = np.array([0, 1, 2, 4, 7, 8, 0, 1, 2.0])
    assert interpolated(column, np.array([6, 3]), times).tolist() == [1, 1, 1.5, 2.5, 4, 4, 10, 10, 10]
    assert np.isnan(interpolated(np.array([NAN, NAN, 1], np.float32), np.array([2, 1]))).tolist() == [True, True, False]


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
    report, dataset = check(Source(path, length=5, missing="interpolate"))
    assert dataset is not None
    assert dataset.values[:, 0].tolist() == list(range(100))
    assert report.warnings[-1] == "3 missing numbers were interpolated"
    report, dataset = check(Source(path, length=5, missing="drop"))
    assert dataset is not None
    assert len(dataset.values) == 97
    assert report.warnings[-1] == "3 steps with missing cells are left out"


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
