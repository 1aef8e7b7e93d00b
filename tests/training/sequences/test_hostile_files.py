"""Files that nobody meant: each is refused in one line, and nothing takes more than linear time."""

import gzip
import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.conftest import ROOT
from tests.training.sequences.test_reader import faults_of, refusal, written
from training.sequences.check import check
from training.sequences.columns import layout_of
from training.sequences.formats import opened
from training.sequences.formats.csv_text import MOST_COLUMNS
from training.sequences.reader import read
from training.sequences.source import Source

HEAD = "input_0,input_1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{HEAD}\r1,2\r3,4\r", "expected lines that end with LF or CRLF; received a bare CR in the first line: convert the"),
        ("1" * 200_000 + "\n1\n", "cannot be read as CSV: first line: field larger than field limit (131072)"),
        ("1" * 5_000_000, "expected lines of at most 4 MiB; received a longer one: write long sequences with an item per"),
        (f"{HEAD}\n1," + "2" * 20_000_000 + "\n", "expected lines of at most 4 MiB; received a longer one: write long"),
        ("1," * MOST_COLUMNS + "1\n", "expected at most 100,000 columns; received 100,001: write long sequences with an item"),
        ("١,٢\n1,2\n", "expected columns input_0, input_1, ..."),
        ("input_٠,input_١\n1,2\n", "expected columns input_0, input_1, ..."),
        ("input_" + "9" * 5_000 + ",b\n1,2\n", "expected columns input_0, input_1, ..."),
        (",".join(["same"] * 50_000) + "\n", "expected columns of different names; received same more than once"),
    ],
)
def test_text_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    said = refusal(Source(written(tmp_path, text)))
    assert said.startswith(f"my.csv: {reason}")
    assert len(said.splitlines()) == 1
    assert len(said) < 600


def test_digits_of_another_script_are_no_number(tmp_path: Path) -> None:
    assert faults_of(read(Source(written(tmp_path, f"{HEAD}\n1,2\n١,2\n")))) == [
        "my.csv, line 3, column input_0: '١' is not a number: write the digits 0 to 9"
    ]


@pytest.mark.parametrize("name", ["nan", "NaN", " NaN "])
def test_nan_is_no_id(tmp_path: Path, name: str) -> None:
    assert faults_of(read(Source(written(tmp_path, f"id,value\na,1\n{name},2\nNancy,3\n")))) == [
        f"my.csv, line 3, column id: {name!r} is not finite"
    ]


def test_nan_is_no_id_in_parquet(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"id": [1.0, float("nan")], "value": [1.0, 2.0]}), tmp_path / "my.parquet")
    assert faults_of(read(Source(str(tmp_path / "my.parquet")))) == ["my.parquet, row 2, column id: nan is not finite"]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((2 * 10**12,), "my.npz: needs more memory than there is: Unable to allocate 14.6 TiB"),
        ((2**62, 16), "my.npz: cannot be read as NPZ"),
        ((-1, 5), "my.npz: cannot be read as NPZ: negative dimensions"),
        (
            (0, 10**12),
            "my.npz, column inputs: expected numbers of shape (rows, time), (rows, time, F) or (items,); with lengths",
        ),
    ],
)
def test_an_array_is_refused_whatever_its_header_claims(tmp_path: Path, shape: tuple[int, ...], reason: str) -> None:
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "my.npz", "w") as archive:
        archive.writestr("inputs.npy", array.getvalue())
    assert refusal(Source(str(tmp_path / "my.npz"))).startswith(reason)


def test_large_unsigned_integers_that_float32_cannot_tell_apart_have_nothing_to_learn(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", inputs=(2**63 + np.arange(300, dtype=np.uint64)).reshape(60, 5))
    report, dataset = check(Source(str(tmp_path / "my.npz")))
    assert dataset is None
    assert [fault.reason for fault in report.faults] == ["every input is 9.22337e+18: there is nothing to learn"]


def test_a_hundred_thousand_columns_take_linear_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    columns = [f"input_{n}" for n in range(MOST_COLUMNS)]
    assert len(layout_of(columns, Source("my.csv")).inputs) == MOST_COLUMNS
    odd = ["input_0", *(f"odd_{n}" for n in range(MOST_COLUMNS - 1))]
    report, _ = check(Source(written(tmp_path, ",".join(odd) + "\n" + ",".join("1" * len(odd)) + "\n")))
    assert report.warnings[0].startswith("columns odd_0, odd_1, odd_2,")
    assert report.warnings[0].endswith("... (99999 in all) are not read")
    assert time.monotonic() - begun < 30  # some minutes in quadratic time


def test_a_pipe_without_an_end_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "data", "check", "-"]
    with subprocess.Popen(["yes", "0.5"], stdout=subprocess.PIPE) as endless:
        done = subprocess.run(command, cwd=ROOT, stdin=endless.stdout, capture_output=True, text=True, timeout=120, check=False)
        endless.kill()
    assert done.returncode == 1
    assert (
        "standard input: cannot be read: expected at most 256 MiB from a pipe; received more: save it to a file" in done.stdout
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("my.jsonl", '{"inputs": ' + "[" * 100_000 + "]" * 100_000 + "}\n", ", line 1: its lists are too deep"),
        ("my.jsonl", '{"value": ' + "[" * 100_000 + "]" * 100_000 + "}\n", ", line 1: its lists are too deep"),
        (
            "my.jsonl",
            '{"inputs": [' + "9" * 400 + ', 1]}\n{"inputs": [1, 2]}\n',
            ": expected inputs of numbers up to 3.403e+38",
        ),
        ("my.jsonl", '{"inputs": [1, 2], "target": ' + "9" * 400 + "}\n", ": expected targets of numbers up to 3.403e+38"),
        ("my.jsonl", '{"inputs": [[1, 2], 3]}\n', ": expected inputs with as many numbers in each step; received steps that"),
        ("my.jsonl", '{"inputs": [' + "1," * 3_000_000 + "1]}\n", ": expected lines of at most 4 MiB; received a longer one"),
        (
            "my.ts",
            "@classLabel false\n@data\n" + "1," * 3_000_000 + "1\n",
            ": expected lines of at most 4 MiB; received a longer",
        ),
    ],
)
def test_lines_of_json_and_ts_are_refused_in_one_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    said = refusal(Source(str(tmp_path / name)))
    assert said.startswith(f"{name}{reason}")
    assert len(said.splitlines()) == 1
    assert len(said) < 300


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl.gz", ".npz.gz"])
def test_a_compressed_file_ends_after_as_many_bytes_as_a_pipe(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "MOST_PIPED", 8 << 20)
    (tmp_path / f"my{suffix}").write_bytes(gzip.compress(b'{"value": 1}\n' * 1_000_000))
    assert refusal(Source(str(tmp_path / f"my{suffix}"))) == (
        f"my{suffix}: cannot be read: expected at most 8 MiB after decompression; received more: "
        "decompress it, and name the file"
    )


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ({"label": "kind"}, "--label"),
        ({"sequence_column": "a", "time_column": "b"}, "--sequence-column and --time-column"),
        ({"pivot": True}, "--pivot"),
    ],
)
def test_ts_has_no_columns_to_name(tmp_path: Path, said: dict[str, Any], options: str) -> None:
    (tmp_path / "my.ts").write_text("@classLabel false\n@data\n1,2\n")
    assert refusal(Source(str(tmp_path / "my.ts"), **said)) == (
        f"my.ts: a .ts file has no columns: its header says what a line holds: leave out {options}"
    )
