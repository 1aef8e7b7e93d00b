from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from training.sequences.check import check
from training.sequences.dataset import Dataset
from training.sequences.report import Report
from training.sequences.source import Source

Array = npt.NDArray[Any]


def saved(folder: Path, inputs: Array, targets: Array | None = None) -> Source:
    path = folder / "my.npz"
    arrays = {"inputs": inputs} if targets is None else {"inputs": inputs, "targets": targets}
    np.savez(path, allow_pickle=False, **arrays)
    return Source(str(path), seed=1)


def faults(source: Source) -> list[str]:
    report, dataset = check(source)
    assert dataset is None
    assert report.faults_in_all >= len(report.faults) > 0
    return [str(fault) for fault in report.faults]


def passed(source: Source) -> tuple[Report, Dataset]:
    report, dataset = check(source)
    assert report.faults == []
    assert dataset is not None
    return report, dataset


def random(rows: int, length: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(100, 20, (rows, length))


def test_the_report_has_the_distribution_of_values(tmp_path: Path) -> None:
    values = np.arange(1000.0).reshape(100, 10)
    report, dataset = passed(saved(tmp_path, values, -values))
    assert (report.task, report.layout, report.sequences, report.items) == ("regress", "a sequence per row", 100, 1000)
    assert report.lengths == {"shortest": 10, "median": 10, "longest": 10}
    inputs, targets = report.features["value"], report.targets["target"]
    assert (inputs.low, inputs.high) == (0, 999)
    assert inputs.quantiles == {"0.01": 10, "0.25": 250, "0.5": 500, "0.75": 749, "0.99": 989}
    assert inputs.histogram == [50] * 20
    assert (targets.low, targets.high) == (-999, 0)
    assert report.facts == dataset.facts


def test_the_domain_includes_the_highest_value(tmp_path: Path) -> None:
    _, dataset = passed(saved(tmp_path, random(100, 5), random(100, 5, seed=1)))
    assert dataset.targets is not None
    for values, domain in ((dataset.values, dataset.features[0].domain), (dataset.targets, dataset.goals[0].domain)):
        assert domain.low == values.min()
        assert values.max() < domain.high == np.nextafter(values.max(), np.float32(np.inf))


def test_a_sequence_is_on_one_side_with_all_its_windows(tmp_path: Path) -> None:
    source = saved(tmp_path, np.arange(60 * 9.0).reshape(60, 9))
    _, dataset = passed(replace(source, length=4, stride=2))
    assert (dataset.facts.sequences_train, dataset.facts.sequences_held_out) == (48, 12)
    assert (len(dataset.train), len(dataset.held_out)) == (48 * 3, 12 * 3)
    sides = [{int(start) // 9 for start in side.starts} for side in (dataset.train, dataset.held_out)]
    assert sides[0].isdisjoint(sides[1])
    assert sides[0] | sides[1] == set(range(60))
    assert {int(start) % 9 for start in dataset.train.starts} == {0, 2, 4}  # no row crosses the end of a sequence
    first = int(dataset.train.starts[0])
    assert dataset.inputs(dataset.train).split()[0].tolist() == [[first], [first + 1], [first + 2], [first + 3]]


def test_the_split_is_seeded(tmp_path: Path) -> None:
    source = saved(tmp_path, random(200, 5))
    first, again, other = (passed(replace(source, seed=seed))[1].held_out.starts.tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 40
    assert len(passed(replace(source, held_out=0.5))[1].held_out) == 100


def test_one_series_is_split_by_blocks_of_time(tmp_path: Path) -> None:
    report, dataset = passed(replace(saved(tmp_path, np.arange(1000.0)), length=10))
    assert dataset.facts.split == "by blocks of time"
    assert (dataset.facts.sequences_train, dataset.facts.sequences_held_out) == (8, 2)
    taught = set(dataset.inputs(dataset.train).values.reshape(-1).tolist())
    judged = set(dataset.inputs(dataset.held_out).values.reshape(-1).tolist())
    assert taught.isdisjoint(judged)
    assert len(judged) == 200
    assert report.warnings == []


def test_copies_of_a_sequence_stay_on_one_side(tmp_path: Path) -> None:
    values = random(100, 5)
    report, dataset = passed(saved(tmp_path, np.concatenate([values, values])))
    assert report.warnings == ["100 sequences are copies of others: copies stay on the same side of the split"]
    held_out = {int(start) // 5 for start in dataset.held_out.starts}
    assert {row + 100 for row in held_out if row < 100} == {row for row in held_out if row >= 100}


def test_the_same_inputs_with_other_targets_are_no_copies(tmp_path: Path) -> None:
    values = random(50, 5)
    report, _ = passed(saved(tmp_path, np.concatenate([values, values]), random(100, 5, seed=1)))
    assert report.warnings == []


def test_held_out_rows_that_occur_in_training_are_left_out(tmp_path: Path) -> None:
    values = np.arange(100 * 6.0).reshape(100, 6)
    values[:, :3] = [7, 8, 9]  # the first window of three is equal in every sequence
    report, dataset = passed(replace(saved(tmp_path, values), length=3, stride=3))
    assert report.warnings[-1] == "20 of 40 held-out rows also occur among the training rows: they are left out"
    assert (dataset.inputs(dataset.held_out).values.reshape(-1, 3) != [7, 8, 9]).all()
    assert dataset.facts.rows_held_out == len(dataset.held_out) == 20


def test_data_is_refused_where_all_held_out_rows_occur_in_training(tmp_path: Path) -> None:
    values = np.array([[1.0, 2, 2, 1, 1, 2], [2, 1, 1, 2, 2, 1]] * 50)  # two kinds of sequence, of the same windows
    assert faults(replace(saved(tmp_path, values), length=2, stride=2)) == [
        "my.npz: too few rows to hold out: 0, of at least 8; a row has 2 items"
    ]


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.full((99, 5), 3.5), None, "my.npz: every input is 3.5: there is nothing to learn"),
        (random(99, 5), np.zeros((99, 5)), "my.npz: every target is 0: there is nothing to learn"),
        (
            1e6 + np.linspace(0, 1, 500).reshape(100, 5),
            None,
            "my.npz: inputs lie between 1000000 and 1000001, where float32 has steps of 0.0625: subtract an offset from all "
            "inputs",
        ),
        (
            np.linspace(-3e38, 3e38, 500).reshape(100, 5),
            None,
            "my.npz: inputs reach 3e+38: beyond 1.701e+38 a difference may not fit into float32",
        ),
        (np.zeros((0, 5)), None, "my.npz: has no rows"),
    ],
)
def test_faults_of_the_file_as_a_whole(tmp_path: Path, inputs: Array, targets: Array | None, message: str) -> None:
    assert faults(saved(tmp_path, inputs, targets)) == [message]


def test_too_few_rows_are_named_on_both_sides(tmp_path: Path) -> None:
    assert faults(saved(tmp_path, random(30, 5))) == [
        "my.npz: too few rows to train on: 24, of at least 32; a row has 5 items",
        "my.npz: too few rows to hold out: 6, of at least 8; a row has 5 items",
    ]


def test_a_column_that_never_changes_is_a_warning(tmp_path: Path) -> None:
    inputs, targets = random(100, 3), random(100, 3, seed=1)
    inputs[:, 1], targets[:, 2] = 90, 80
    report, _ = passed(saved(tmp_path, inputs, targets))
    assert report.warnings == ["step 1 is 90 in every row"]


def test_sequences_shorter_than_a_row_are_named_beside_bad_cells(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("sequence,value,note\na,1,\na,x,\nb,3,\na,5,\nc,4,\nc,5,\n")
    report, dataset = check(Source(str(path), length=3))
    assert dataset is None
    assert [str(fault) for fault in report.faults] == [
        "my.csv, line 3, column value: 'x' is not a number",
        "my.csv, line 4, column sequence: sequence 'b' is shorter than a row: 1 of 3 items",
        "my.csv, line 6, column sequence: sequence 'c' is shorter than a row: 2 of 3 items",
    ]
    assert report.warnings == ["column note is not read"]


def test_an_unknown_length_is_asked_for(tmp_path: Path) -> None:
    assert faults(saved(tmp_path, np.arange(100.0))) == [
        "my.npz: is one series: choose how many items a row has, for instance --length 5; to forecast it: --task forecast "
        "--length 36 --horizon 12"
    ]
    path = tmp_path / "my.csv"
    path.write_text("id,value\n" + "\n".join(f"{n % 3},{n}" for n in range(100)))
    assert faults(Source(str(path))) == [
        "my.csv: has sequences of 33 to 34 items: choose how many items a row has, for instance --length 5"
    ]
