"""Reads real files, and checks values and faults. Every message stands here in full."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from training.sequences.formats.csv_text import MOST_RAGGED
from training.sequences.formats.found import Found
from training.sequences.reader import read
from training.sequences.source import DataRefused, Source


def written(folder: Path, text: str | bytes, name: str = "my.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def faults_of(found: Found) -> list[str]:
    refused = DataRefused(*found.faults.found)
    return [str(fault) for fault in refused.faults]


def refusal(source: Source) -> str:
    with pytest.raises(DataRefused) as caught:
        read(source)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "input_0,input_1,input_2\n1,2,3\n4,5,6\n",
        "input_1,input_2,input_0\n2,3,1\n5,6,4\n",  # columns are ordered by number, not by place
        "1,2,3\n4,5,6",  # no header
        "\ufeffinput_0;input_1;input_2\r\n1;2;3\r\n4;5;6\r\n",
        "input0\tinput1\tinput2\n1\t2\t3\n4\t5\t6\n",
        'input_0,input_1,input_2\n" 1 ",+2,3e0\n4.,5.0,.6E1\n',
        "sequence,value\na,1\na,2\na,3\nb,4\nb,5\nb,6\n",
        "value,id\n1,7\n4,8\n2,7\n5,8\n6,8\n3,7\n",  # sequences side by side
    ],
)
def test_every_form_of_text_gives_the_same_two_sequences(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    found = read(Source(path))
    assert faults_of(found) == []
    assert found.values.tolist() == [[1], [2], [3], [4], [5], [6]]
    assert found.values.dtype == np.float32
    assert found.targets is None
    assert found.lengths.tolist() == [3, 3]
    assert found.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input_0,input_1,target_0,target_1\n1,2,10,20\n3,4,30,40\n", {}),
        ("sequence,value,target\na,1,10\na,2,20\nb,3,30\nb,4,40\n", {}),
        ("id,value,target\nb,3,30\na,1,10\na,2,20\nb,4,40\n", {}),
        (
            "who,x,y,z\na,1,0,10\na,2,0,20\nb,3,0,30\nb,4,0,40\n",
            {"sequence_column": "who", "features": ("x",), "target": ("z",)},
        ),
    ],
)
def test_targets_stay_with_their_inputs(tmp_path: Path, text: str, said: dict[str, Any]) -> None:
    found = read(Source(written(tmp_path, text), **said))
    assert found.targets is not None
    assert found.targets.tolist() == (10 * found.values).tolist()
    assert sorted(found.values.tolist()) == [[1], [2], [3], [4]]
    assert found.lengths.tolist() == [2, 2]


def test_a_table_of_one_column_is_one_series(tmp_path: Path) -> None:
    for text in ("spots\n1\n2\n3\n", "1\n2\n3\n"):
        found = read(Source(written(tmp_path, text)))
        assert (found.values.tolist(), found.lengths.tolist(), found.names) == ([[1], [2], [3]], [3], None)


def test_parquet_and_npz_give_what_text_gives(tmp_path: Path) -> None:
    inputs, targets = np.arange(6.0).reshape(3, 2), 10 * np.arange(6).reshape(3, 2)
    columns = {f"input_{n}": inputs[:, n] for n in range(2)} | {f"target_{n}": targets[:, n] for n in range(2)}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "my.parquet")
    np.savez(tmp_path / "my.npz", inputs=inputs, targets=targets)
    pyarrow.parquet.write_table(
        pa.table({"id": [7, 7, 8, 8, 9, 9], "value": inputs.reshape(-1), "target": targets.reshape(-1)}),
        tmp_path / "long.parquet",
    )
    for name in ("my.parquet", "my.npz", "long.parquet"):
        found = read(Source(str(tmp_path / name)))
        assert faults_of(found) == []
        assert found.values.tolist() == [[0], [1], [2], [3], [4], [5]]
        assert found.targets is not None
        assert found.targets.tolist() == [[0], [10], [20], [30], [40], [50]]
        assert found.lengths.tolist() == [2, 2, 2]
        assert found.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_standard_input_is_read_once_and_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"value\n" + b"0.5\n" * 2_000_000  # more than one block
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    found = read(Source("-"))
    assert len(found.values) == 2_000_000
    assert (found.values == 0.5).all()
    assert found.sha256 == hashlib.sha256(text).hexdigest()


def test_every_kind_of_bad_cell_is_named_with_its_line_and_column_all_at_once(tmp_path: Path) -> None:
    text = 'sequence,value\na,1\na,x\na,\nb,nan\nb,1e39\nb\nb,3,4\nb,"1,5"\nc,-inf\n,3\nc,1e999\nc, 2 \n'
    found = read(Source(written(tmp_path, text)))
    assert faults_of(found) == [
        "my.csv, line 3, column value: 'x' is not a number",
        "my.csv, line 4, column value: the cell is empty",
        "my.csv, line 5, column value: 'nan' is not finite",
        "my.csv, line 6, column value: '1e39' is beyond float32, whose largest number is 3.403e+38",
        "my.csv, line 7: 1 cell in a table of 2 columns",
        "my.csv, line 8: 3 cells in a table of 2 columns",
        "my.csv, line 9, column value: '1,5' is not a number: write a decimal point, not a comma",
        "my.csv, line 10, column value: '-inf' is not finite",
        "my.csv, line 11, column sequence: the cell is empty",
        "my.csv, line 12, column value: '1e999' is beyond float32, whose largest number is 3.403e+38",
    ]


def test_the_first_twenty_are_described_in_the_files_order_and_all_are_counted(tmp_path: Path) -> None:
    lines = ["1,2"] * 300_000
    for place, bad in enumerate(range(100_000, 300_000, 1_000)):
        lines[bad] = f"1,oops{place}" if bad % 2_000 else f"oops{place},2"
    lines[50_000] = "1"
    found = read(Source(written(tmp_path, "input_0,input_1\n" + "\n".join(lines))))
    messages = faults_of(found)
    assert found.faults.total == 201
    assert len(messages) == 20
    assert messages[0] == "my.csv, line 50002: 1 cell in a table of 2 columns"
    assert messages[1] == "my.csv, line 100002, column input_0: 'oops0' is not a number"
    assert messages[2] == "my.csv, line 101002, column input_1: 'oops1' is not a number"
    assert messages[19] == "my.csv, line 118002, column input_0: 'oops18' is not a number"


def test_equal_faults_are_one_line(tmp_path: Path) -> None:
    lines = ["1,2" if n % 3 else ",2" for n in range(30)]
    found = read(Source(written(tmp_path, "input_0,input_1\n" + "\n".join(lines))))
    assert found.faults.total == 10
    assert faults_of(found) == ["my.csv: the cell is empty: 10 cells in column input_0, first in line 2"]


def test_without_a_header_lines_count_from_the_first(tmp_path: Path) -> None:
    assert faults_of(read(Source(written(tmp_path, "1,2\n3,x\n")))) == ["my.csv, line 2, column input_1: 'x' is not a number"]


def test_another_kind_of_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(DataRefused) as caught:
        read(Source(written(tmp_path, "input_0,input_1\n" + "1,2,3\n" * 1_000_000)))
    assert caught.value.total == MOST_RAGGED
    assert str(caught.value.faults[0]) == "my.csv: 3 cells in a table of 2 columns: 10,000 lines, first in line 2"


def test_bad_cells_of_parquet_and_npz_are_named_by_row(tmp_path: Path) -> None:
    table = pa.table({"value": pa.array([1.0, None, float("nan"), 1e39])})
    pyarrow.parquet.write_table(table, tmp_path / "my.parquet")
    assert faults_of(read(Source(str(tmp_path / "my.parquet")))) == [
        "my.parquet, row 2, column value: the cell is empty",
        "my.parquet, row 3, column value: nan is not finite",
        "my.parquet, row 4, column value: 1e+39 is beyond float32, whose largest number is 3.403e+38",
    ]
    np.savez(tmp_path / "my.npz", inputs=[[1.0, 2.0], [np.inf, 3.0]], targets=[[1.0, -1e300], [1.0, 2.0]])
    assert faults_of(read(Source(str(tmp_path / "my.npz")))) == [
        "my.npz, row 1, column targets[1]: -1e+300 is beyond float32, whose largest number is 3.403e+38",
        "my.npz, row 2, column inputs[0]: inf is not finite",
    ]


def test_an_empty_cell_among_parquets_ids_is_named_by_row(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([7, None, 8]), "value": [1.0, 2.0, 3.0]})
    pyarrow.parquet.write_table(table, tmp_path / "my.parquet")
    assert faults_of(read(Source(str(tmp_path / "my.parquet")))) == ["my.parquet, row 2, column id: the cell is empty"]
    table = pa.table({"id": pa.array([[7], [8]]), "value": [1.0, 2.0]})
    pyarrow.parquet.write_table(table, tmp_path / "my.parquet")
    assert refusal(Source(str(tmp_path / "my.parquet"))).startswith("my.parquet: cannot be read as Parquet: Unsupported cast")


def test_a_file_that_is_no_npz_of_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my.npz"
    with path.open("wb") as file:
        np.save(file, np.ones((3, 2)))
    assert refusal(Source(str(path))).startswith("my.npz: cannot be read as NPZ: ")
    np.savez(path, inputs=np.ones((3, 0)))
    assert refusal(Source(str(path))) == (
        "my.npz, column inputs: expected numbers of shape (rows, time), (rows, time, F) or (items,); with lengths "
        "(items,) or (items, F); received float64 of shape (3, 0)"
    )
    np.savez_compressed(path, inputs=np.arange(1000.0).reshape(10, 100))
    whole = bytearray(path.read_bytes())
    whole[200:400] = bytes(200)
    path.write_bytes(whole)
    assert refusal(Source(str(path))).startswith("my.npz: cannot be read as NPZ: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.csv: is empty, or its first line is empty"),
        ("\n1,2\n", "my.csv: is empty, or its first line is empty"),
        ("input_0,input_0\n1,2\n", "my.csv: expected columns of different names; received input_0 more than once"),
        (
            "input_0,input_1,target_0\n1,2,3\n",
            "my.csv: expected as many target columns as input columns; received 2 and 1. If they answer the whole row: "
            "--topology many_to_one",
        ),
        (
            "input_0,input_1,input_3\n1,2,3\n",
            "my.csv: expected columns numbered one after another; received input_0 to input_3 without 2",
        ),
        (
            "input_0,input_1,target_1,target_2\n1,2,3,4\n",
            "my.csv: expected input and target columns of the same numbers; received input_0, input_1 and target_1, target_2",
        ),
        ("input_1,input1\n1,2\n", "my.csv: expected one column of each number; received input_1 and input1"),
        (
            "jan,feb\n1,2\n",
            "my.csv: expected columns input_0, input_1, ... with a sequence per row, or a column value with a step per row; "
            "received jan, feb. If the columns are features of one step: --features jan,feb; to forecast one of them alone, "
            "add --target; if each column is a series of its own: --pivot",
        ),
    ],
)
def test_an_unclear_table_is_refused_with_the_expected_columns(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(Source(written(tmp_path, text))) == message


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n1,2\n")
    assert refusal(Source(path, features=("c",))) == "my.csv: expected a column c; received a, b"
    assert refusal(Source(path, features=("a",), target=("a",))) == (
        "my.csv: column a is named by --target and by --features: leave it out of one of them"
    )


def test_arrays_of_another_form_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", inputs=np.zeros((3, 2)), targets=np.zeros((2, 3)))
    assert refusal(Source(str(tmp_path / "my.npz"))) == (
        "my.npz, column targets: expected numbers of shape (3, 2) for steps, or (3,) for rows; received float64 of shape (2, 3)"
    )
    np.savez(tmp_path / "my.npz", x=np.zeros(3))
    assert refusal(Source(str(tmp_path / "my.npz"))) == (
        "my.npz: expected arrays inputs (and targets, labels or lengths); received x: save it as inputs=..."
    )
    np.savez(tmp_path / "my.npz", inputs=np.array(["a"]))
    assert "received <U1 of shape (1,)" in refusal(Source(str(tmp_path / "my.npz")))


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    assert refusal(Source(written(tmp_path, "no zip", "my.npz"))).startswith("my.npz: is no NPZ: ")
    assert refusal(Source(written(tmp_path, "no magic", "my.parquet"))).startswith("my.parquet: cannot be read as Parquet: ")
    assert refusal(Source(written(tmp_path, b"\xff\xfe\x00bin\n1\n"))).startswith("my.csv: is no text in UTF-8: ")
    pyarrow.parquet.write_table(pa.table({"value": np.arange(5000.0)}), tmp_path / "my.parquet", compression="none")
    whole = (tmp_path / "my.parquet").read_bytes()
    (tmp_path / "my.parquet").write_bytes(whole[:4] + b"\xff" * 100 + whole[104:])  # the first page's header
    assert refusal(Source(str(tmp_path / "my.parquet"))).startswith("my.parquet: cannot be read: ")
    pyarrow.parquet.write_table(pa.table({"value": ["a", "b"]}), tmp_path / "my.parquet")
    assert refusal(Source(str(tmp_path / "my.parquet"))) == "my.parquet, column value: expected numbers; received string"
