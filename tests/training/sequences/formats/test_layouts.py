"""Each layout of the data with a real file: what comes out as rows and answers."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.report import Report
from training.sequences.source import Source

ROWS, TIME, FEATURES = 60, 5, 3
RANDOM = np.random.default_rng(7)
CUBE = RANDOM.normal(10, 3, (ROWS, TIME, FEATURES)).round(3)  # (rows, time, F)
KINDS = np.array(["calm", "wild", "odd"])[np.arange(ROWS) % 3]


def checked(path: Path, **said: Any) -> tuple[Report, Dataset]:
    report, dataset = check(Source(str(path), **said))
    assert [str(fault) for fault in report.faults] == []
    assert dataset is not None
    return report, dataset


def is_the_cube(dataset: Dataset) -> None:
    """Every row of the data set is a row of the cube with its class."""
    rows = {row.astype(np.float32).tobytes(): kind for row, kind in zip(CUBE, KINDS, strict=True)}
    found = 0
    for side in (dataset.train, dataset.validation, dataset.held_out):
        answers = dataset.answers(side)
        for row, answer in zip(dataset.inputs(side).split(), answers, strict=True):
            assert rows[row.tobytes()] == dataset.classes[int(answer)]
            found += 1
    assert found == ROWS


def npz(folder: Path) -> Path:
    np.savez(folder / "my.npz", inputs=CUBE, labels=KINDS)
    return folder / "my.npz"


def npz_with_lengths(folder: Path) -> Path:
    np.savez(folder / "my.npz", inputs=CUBE.reshape(-1, FEATURES), lengths=np.full(ROWS, TIME), labels=KINDS)
    return folder / "my.npz"


def long_lines(delimiter: str = ",") -> str:
    lines = [delimiter.join(("who", "time", "a", "b", "c", "kind"))]
    for row in range(ROWS):
        lines += [
            delimiter.join((f"p{row}", f"2024-01-0{step + 1}", *map(str, CUBE[row, step]), KINDS[row]))
            for step in reversed(range(TIME))  # sorted by time on the way in
        ]
    return "\n".join(lines)


def long_csv(folder: Path) -> Path:
    (folder / "my.csv").write_text(long_lines())
    return folder / "my.csv"


def semicolons(folder: Path) -> Path:
    (folder / "my.csv").write_text(long_lines(";"))
    return folder / "my.csv"


def long_parquet(folder: Path) -> Path:
    names, *lines = (line.split(",") for line in long_lines().splitlines())
    columns = dict(zip(names, zip(*lines, strict=True), strict=True))
    numbers = {name: np.array(columns[name], float) for name in "abc"}
    days = np.array(columns["time"], "datetime64[s]")
    texts = {name: pa.array(list(columns[name])).dictionary_encode() for name in ("who", "kind")}
    pyarrow.parquet.write_table(pa.table({**texts, "time": days, **numbers}), folder / "my.parquet")
    return folder / "my.parquet"


def json_steps(folder: Path) -> Path:
    names, *lines = (line.split(",") for line in long_lines().splitlines())
    records = [dict(zip(names, line, strict=True)) for line in lines]
    for record in records:
        record |= {name: float(record[name]) for name in "abc"}  # type: ignore[misc]
    (folder / "my.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder / "my.jsonl"


def json_rows(folder: Path) -> Path:
    records = [{"inputs": row.tolist(), "label": kind} for row, kind in zip(CUBE, KINDS.tolist(), strict=True)]
    (folder / "my.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder / "my.jsonl"


def wide_csv(folder: Path) -> Path:
    names = [f"{name}_{step}" for name in "abc" for step in range(TIME)]
    lines = [",".join([*map(str, row.T.reshape(-1)), kind]) for row, kind in zip(CUBE, KINDS, strict=True)]
    (folder / "my.csv").write_text("\n".join([",".join([*names, "kind"]), *lines]))
    return folder / "my.csv"


def ts(folder: Path) -> Path:
    lines = ["@problemName mine", "@univariate false", "@classLabel true calm wild odd", "@data"]
    lines += [
        ":".join([*(",".join(map(str, feature)) for feature in row.T), kind]) for row, kind in zip(CUBE, KINDS, strict=True)
    ]
    (folder / "my.ts").write_text("\n".join(lines))
    return folder / "my.ts"


LONG: dict[str, Any] = {"features": ("a", "b", "c"), "sequence_column": "who", "time_column": "time", "label": "kind"}


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (npz, {}),
        (npz_with_lengths, {"features": ("a", "b", "c")}),
        (long_csv, LONG),
        (semicolons, LONG),
        (long_parquet, LONG),
        (json_steps, LONG),
        (json_rows, {}),
        (wide_csv, {"features": ("a", "b", "c"), "label": "kind"}),
        (ts, {}),
    ],
)
def test_every_layout_gives_the_same_classes_of_rows(tmp_path: Path, write: Any, said: dict[str, Any]) -> None:
    report, dataset = checked(write(tmp_path), **said)
    assert (report.task, dataset.task, dataset.per_step, dataset.classes) == (
        "classify",
        "classify",
        False,
        ["calm", "odd", "wild"],
    )
    assert report.classes == {"calm": 20, "odd": 20, "wild": 20}
    assert [feature.name for feature in dataset.features] == list(said.get("features", ("feature_0", "feature_1", "feature_2")))
    assert (dataset.facts.rows_train, dataset.facts.rows_validation, dataset.facts.rows_held_out) == (42, 6, 12)
    is_the_cube(dataset)


def packed(path: Path, codec: str) -> Path:
    content, packed = path.read_bytes(), path.with_name(path.name + codec)
    if codec == ".zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(path.name, content)
    elif codec == ".zst":
        packed.write_bytes(pa.compress(content, "zstd", asbytes=True))
    else:
        packed.write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[codec].compress(content))
    return packed


@pytest.mark.parametrize("codec", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_compressed_files_are_read_as_they_are(tmp_path: Path, codec: str) -> None:
    is_the_cube(checked(packed(long_csv(tmp_path), codec), **LONG)[1])
    is_the_cube(checked(packed(npz(tmp_path), codec))[1])


def test_a_remote_file_is_read_by_its_address(tmp_path: Path) -> None:
    path = long_csv(tmp_path)
    report, dataset = check(Source(f"file://{path}", **LONG))
    assert dataset is not None
    is_the_cube(dataset)
    assert report.file == "my.csv"


def test_an_npy_file_is_an_array_of_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "my.npy", CUBE[:, :, 0])
    _, dataset = checked(tmp_path / "my.npy")
    assert (dataset.task, dataset.values.shape, dataset.uniform) == ("echo", (ROWS * TIME, 1), TIME)
    np.save(tmp_path / "my.npy", CUBE.reshape(1, -1, FEATURES))
    _, dataset = checked(tmp_path / "my.npy", task="forecast", length=10, horizon=4)
    assert (dataset.answers(dataset.held_out).shape[1], dataset.facts.split) == (4 * FEATURES, "by time")


def test_a_pivot_is_a_series_per_column(tmp_path: Path) -> None:
    days = [f"{day:02}.01.2024" for day in range(1, 31)]
    lines = ["day,north,south", *(f"{day},{n},{100 + n}" for n, day in enumerate(days))]
    (tmp_path / "my.csv").write_text("\n".join(lines[:1] + lines[:0:-1]))
    report, dataset = checked(tmp_path / "my.csv", task="forecast", pivot=True, length=4, horizon=2)
    assert dataset.values.reshape(2, 30).tolist() == [list(range(30)), list(range(100, 130))]
    assert (report.layout, report.warnings) == ("a series per column", ["rows were not in the order of day: they are sorted"])


def test_two_value_columns_are_two_features(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("x,y\n" + "\n".join(f"{n},{n * n}" for n in range(200)))
    _, dataset = checked(tmp_path / "my.csv", features=("x", "y"), task="forecast", length=8)
    assert dataset.values[:3].tolist() == [[0, 0], [1, 1], [2, 4]]
    assert dataset.answers(dataset.train)[0].tolist() == [8, 64]


def test_a_forecast_of_one_column_may_use_others(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("x,y\n" + "\n".join(f"{n},{n * n}" for n in range(200)))
    _, dataset = checked(tmp_path / "my.csv", features=("x",), target=("y",), task="forecast", length=8, horizon=2)
    assert ([each.name for each in dataset.features], [each.name for each in dataset.goals]) == (["x", "y"], ["y"])
    assert dataset.answers(dataset.train)[0].tolist() == [64, 81]


def test_regression_of_rows_and_of_steps(tmp_path: Path) -> None:
    sums = CUBE.sum(axis=(1, 2))
    np.savez(tmp_path / "rows.npz", inputs=CUBE, targets=np.stack([sums, -sums], 1))
    _, dataset = checked(tmp_path / "rows.npz")
    assert (dataset.task, dataset.per_step, [each.name for each in dataset.goals]) == (
        "regress",
        False,
        ["target_0", "target_1"],
    )
    for row, answer in zip(dataset.inputs(dataset.train).split(), dataset.answers(dataset.train), strict=True):
        assert answer[0] == -answer[1] == pytest.approx(row.sum(), abs=1e-3)
    np.savez(tmp_path / "steps.npz", inputs=CUBE, targets=CUBE.sum(axis=2))
    _, dataset = checked(tmp_path / "steps.npz")
    assert (dataset.per_step, dataset.answers(dataset.train).shape) == (True, (len(dataset.train) * TIME, 1))
    assert dataset.answers(dataset.train)[:, 0] == pytest.approx(dataset.inputs(dataset.train).values.sum(axis=1), abs=1e-3)


def test_windows_of_a_long_regression_are_answered_by_their_last_step(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("x,target\n" + "\n".join(f"{n},{10 * n}" for n in range(600)))
    _, dataset = checked(tmp_path / "my.csv", per_step=False, length=10)
    last = dataset.inputs(dataset.train).values.reshape(-1, 10)[:, -1]
    assert dataset.answers(dataset.train)[:, 0].tolist() == (10 * last).tolist()


def test_labels_of_steps_keep_their_steps(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", inputs=CUBE, labels=(CUBE[:, :, 0] > 10).astype(int) + 9)
    _, dataset = checked(tmp_path / "my.npz")
    assert (dataset.task, dataset.classes) == ("label", ["9", "10"])
    assert (dataset.answers(dataset.train) == (dataset.inputs(dataset.train).values[:, 0] > 10)).all()


def test_time_stamps_and_missing_numbers_in_ts(tmp_path: Path) -> None:
    lines = ["% a comment", "@timeStamps true", "@classLabel true 1 2", "@data"]
    lines += [
        f"(2007-01-01 00:00:00,{n}.5),(2007-01-01 00:01:00,?),(2007-01-01 00:02:00,{n + 1}.5):{n % 2 + 1}" for n in range(60)
    ]
    (tmp_path / "my.ts").write_text("\n".join(lines))
    _, dataset = checked(tmp_path / "my.ts", missing="fill")
    assert dataset.values[:3, 0].tolist() == [0.5, 0.5, 1.5]
    assert dataset.classes == ["1", "2"]


def test_an_official_test_file_is_held_out_whole(tmp_path: Path) -> None:
    for name, part in (("train", slice(0, 45)), ("test", slice(40, None))):  # five rows are in both
        np.savez(tmp_path / f"{name}.npz", inputs=CUBE[part], labels=KINDS[part])
    report, dataset = checked(tmp_path / "train.npz", test=str(tmp_path / "test.npz"))
    assert (len(dataset.held_out), dataset.facts.split, dataset.facts.test_file) == (20, "by file", "test.npz")
    held_out = {row.tobytes() for row in dataset.inputs(dataset.held_out).split()}
    for side in (dataset.train, dataset.validation):
        assert held_out.isdisjoint(row.tobytes() for row in dataset.inputs(side).split())
    assert len(dataset.train) + len(dataset.validation) == 40
    assert any("also occur in the test file" in warning for warning in report.warnings)
