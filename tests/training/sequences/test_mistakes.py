"""The commonest mistakes, each with a real file, and the message that says what to type."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.sequences.check import check
from training.sequences.source import DataRefused, Source

Write = Callable[[Path], Path]
PANEL = "shop,date,sales,price\n" + "\n".join(
    f"{shop},2024-01-{day:02},{day * 7 % 5}.5,{day}" for shop in ("north", "south") for day in range(1, 31)
)
SERIES = "date,sales,price,kind\n" + "\n".join(
    f"{2000 + n // 336}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02},{n * 7 % 11}.5,{n * 3 % 7},{'high' if n % 5 else 'low'}"
    for n in range(200)
)
RANDOM = np.random.default_rng(3)
ROWS, KINDS = RANDOM.normal(size=(60, 5, 2)), np.arange(60) % 2


def csv(text: str, name: str = "my.csv") -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return write


def npz(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        np.savez(folder / "my.npz", allow_pickle=True, **arrays)
        return folder / "my.npz"

    return write


def pair(train: Write, test: Write) -> Write:
    """Two files: the second is test.* beside the first."""

    def write(folder: Path) -> Path:
        (folder / "t").mkdir()
        return [train(folder), test(folder / "t")][0]

    return write


def folder_of_files(folder: Path) -> Path:
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_text("1\n")
    return folder / "data"


def pickled(folder: Path) -> Path:
    (folder / "my.pkl").write_bytes(pickle.dumps([1, 2]))
    return folder / "my.pkl"


def noise(name: str) -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(b"\xff" + np.random.default_rng(1).bytes(5_000))
        return folder / name

    return write


FORECAST = {"task": "forecast", "length": 10, "horizon": 2}
OBJECTS = np.array([np.zeros(2), np.zeros(3)], dtype=object)
CASES: list[tuple[str, Write, dict[str, Any], str]] = [
    (
        "wrong column name",
        csv(SERIES),
        {"features": ("sale",)},
        "expected a column sale; received date, sales, price, kind. Did you mean --features sales?",
    ),
    (
        "target is a feature",
        csv(SERIES),
        {"features": ("sales",), "target": ("sales",)},
        "column sales is named by --target and by --features",
    ),
    ("horizon of an echo", csv(SERIES), {"features": ("sales",), "horizon": 3}, "add --task forecast, or leave --horizon out"),
    ("forecast without a length", csv(SERIES), {"task": "forecast"}, "for instance --length 36 --horizon 12"),
    (
        "series too short",
        csv(SERIES),
        FORECAST | {"features": ("sales",), "length": 300},
        "no sequence has 300 + 2 steps of a row and its future, the longest has 200: choose a smaller --length",
    ),
    ("horizon of many_to_many", csv(SERIES), FORECAST | {"per_step": True}, "leave --horizon out, or --topology many_to_one"),
    (
        "labels of steps, many_to_one",
        csv(SERIES),
        {"features": ("sales",), "label": "kind", "per_step": False, "length": 10},
        "labels change within a sequence: --task label --topology many_to_many",
    ),
    (
        "labels of rows, many_to_many",
        npz(inputs=ROWS, labels=KINDS),
        {"per_step": True},
        "labels are those of rows: --topology many_to_one --task classify",
    ),
    (
        "text in a feature",
        csv(SERIES),
        {"features": ("sales", "kind"), "length": 5},
        "column kind holds text: leave it out of --features, or make it the class: --label kind",
    ),
    ("a panel as one series", csv(PANEL), FORECAST | {"features": ("sales",)}, "--sequence-column shop"),
    (
        "times repeat",
        csv(PANEL.replace("north", "1").replace("south", "2")),
        FORECAST | {"features": ("sales",)},
        "times repeat in column date, 30 of 60: if the table has several series, --sequence-column NAME",
    ),
    (
        "times repeat in a sequence",
        csv(PANEL + "\nsouth,2024-01-03,1,1"),
        FORECAST | {"features": ("sales",), "sequence_column": "shop"},
        "1 time repeats within a sequence: leave one row of each time",
    ),
    (
        "times of two meanings",
        csv("when,x\n01/02/2024,1\n03/04/2024,2\n"),
        {"time_column": "when", "length": 1},
        "'01/02/2024' may mean two dates: write times as numbers, or as 2024-01-31",
    ),
    (
        "several columns, none chosen",
        csv(SERIES),
        FORECAST,
        "--features sales,price; to forecast one of them alone, add --target; if each column is a series of its own: --pivot",
    ),
    (
        "one class",
        npz(inputs=ROWS, labels=np.zeros(60, int)),
        {},
        "every label is 0: there is nothing to learn: at least two classes are needed",
    ),
    (
        "a class of one row",
        npz(inputs=ROWS, labels=np.r_[KINDS[1:], 7]),
        {},
        "class 7 has 1 row: at least 2 are needed: leave it out, or join classes",
    ),
    ("numbers as labels", npz(inputs=ROWS, labels=RANDOM.normal(size=60)), {}, "--task regress"),
    (
        "decimal commas",
        csv("value\n" + "\n".join(f'"{n},5"' for n in range(60))),
        {},
        "'0,5' is not a number: write a decimal point, not a comma",
    ),
    (
        "header missing",
        csv("\n".join(f"{n},{n * n}" for n in range(60))),
        {"features": ("a",)},
        "the file has no header: write the columns' names into its first line",
    ),
    ("empty file", csv(""), {}, "is empty, or its first line is empty"),
    ("a folder", folder_of_files, {}, "data/a.csv"),
    ("a pickle", pickled, {}, "pickle is not read: save it as CSV, Parquet or NPZ"),
    (
        "an array of objects",
        npz(inputs=OBJECTS),
        {},
        "save numbers, and rows of different lengths end to end as inputs (items, F) with lengths (rows,)",
    ),
    ("NPZ without inputs", npz(x=ROWS), {}, "received x: save it as inputs=..."),
    ("lengths that do not sum", npz(inputs=ROWS[0], lengths=[2, 2]), {}, "received lengths sum to 4, inputs have 5 steps"),
    (
        "test file with other columns",
        pair(csv(SERIES), csv(SERIES.replace("price", "cost"), "test.csv")),
        {"features": ("sales", "price"), "task": "forecast", "length": 5, "test": "t/test.csv"},
        "test.csv: expected a column price; received date, sales, cost, kind",
    ),
    (
        "test file without labels",
        pair(npz(inputs=ROWS, labels=KINDS), npz(inputs=ROWS)),
        {"test": "t/my.npz"},
        "is without labels, unlike my.npz: give both files the same columns",
    ),
    (
        "test file with another class",
        pair(npz(inputs=ROWS, labels=KINDS), npz(inputs=-ROWS, labels=KINDS + 1)),
        {"test": "t/my.npz"},
        "class 2 occurs in the test file alone: leave these rows out of it",
    ),
    ("missing numbers", npz(inputs=np.where(ROWS > 1, np.nan, ROWS)), {"task": "forecast", "length": 3}, "nan is not finite"),
    ("an echo of two features", npz(inputs=ROWS), {}, "an echo has one feature; received 2: --features"),
    ("classify without labels", npz(inputs=ROWS), {"task": "classify"}, "name the classes' column by --label"),
    ("label and target", csv(SERIES), {"label": "kind", "target": ("sales",)}, "choose one of them"),
    ("a list of records", csv('[{"a": 1}]', "my.json"), {}, "write one per line"),
    (
        "nothing changes",
        npz(inputs=np.ones((60, 5, 2))),
        {"task": "forecast", "length": 3},
        "no feature ever changes: there is nothing to learn",
    ),
    ("random bytes as NPZ", noise("my.npz"), {}, "is no NPZ: its first bytes are those of another kind of file"),
    ("random bytes as .npy", noise("my.npy"), {}, "is no .npy: its first bytes are those of another kind of file"),
    ("random bytes as CSV", noise("my.csv"), {}, "is no text in UTF-8: save it as CSV in UTF-8; if it is of another format"),
    ("zero bytes in CSV", csv("a\0,b\n1,2\n"), {}, "is no text in UTF-8"),
    (
        "a target alone",
        csv("Date,Passengers\n" + "\n".join(f"{n // 12 + 1949}-{n % 12 + 1:02},{n}" for n in range(60))),
        {"task": "regress", "target": ("Passengers",)},
        "no column of numbers is left as a feature: Date is the time, Passengers is the target; received Date, Passengers: "
        "add one; to forecast Passengers: --task forecast --length 36 --horizon 12",
    ),
    (
        "no such sequence column",
        csv(SERIES),
        {"features": ("sales",), "sequence_column": "nosuch"},
        "expected a column nosuch; received date, sales, price, kind. If the table is one series, leave --sequence-column out",
    ),
    ("another case", csv(SERIES), {"features": ("SALES",)}, "Did you mean --features sales?"),
    ("no such protocol", lambda _: Path("nowhere://my.csv"), {}, "cannot be opened: Protocol not known: nowhere"),
]


@pytest.mark.parametrize(("write", "said", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_is_answered_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, said: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(write(tmp_path)).replace("nowhere:/", "nowhere://")
    try:
        report, dataset = check(Source(path, **said))
    except DataRefused as refused:
        text = str(refused)
    else:
        assert dataset is None, report.warnings
        text = "\n".join(map(str, report.faults))
    assert message in text
    assert len(text.splitlines()) <= 20


def test_a_feature_that_never_changes_or_is_the_target_is_a_warning(tmp_path: Path) -> None:
    rows = np.concatenate([ROWS, np.full((60, 5, 1), 3.0)], axis=2)
    np.savez(tmp_path / "my.npz", inputs=rows, targets=rows[:, :, 0])
    report, dataset = check(Source(str(tmp_path / "my.npz"), features=("a", "b", "c")))
    assert dataset is not None
    assert report.warnings[:2] == [
        "every value of c is 3: leave it out of --features",
        "feature a equals target target: leave it out of --features",
    ]
