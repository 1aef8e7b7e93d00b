"""Files that are read piece by piece give the rows that reading them at once gives, from wherever it goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.rows import Rows
from training.sequences.source import DataRefused, Source
from unroll.bulk import lists
from unroll.bulk.files import reading_of
from unroll.bulk.reading import Piece, Reading

SKIPS = (0, 1, 7_000, 13_107, 29_999, 30_000)


def joined(reading: Reading, skip: int) -> tuple[Rows, list[str] | None]:
    pieces: list[Piece] = [*reading.pieces(skip)]
    if not pieces:
        return Rows(np.empty((0, 2), np.float32), []), []
    rows = Rows.end_to_end([piece.rows for piece in pieces])
    return rows, None if pieces[0].names is None else [name for piece in pieces for name in piece.names.to_pylist()]


@pytest.fixture(scope="module")
def sequences() -> tuple[Rows, list[str]]:
    """30,000 of 1 to 9 steps."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 10, 30_000)
    return Rows(rng.normal(0, 1, (int(lengths.sum()), 2)).astype(np.float32), lengths.tolist()), [
        f"s{n}" for n in range(30_000)
    ]


def long_table(rows: Rows, names: list[str], order: Any) -> pa.Table:
    lengths = np.array(rows.lengths)
    number = np.arange(len(rows.values)) - np.repeat(rows.starts, lengths)
    ids = pa.array(names).take(pa.array(np.repeat(np.arange(len(names)), lengths)))
    table = pa.table(
        {
            "walk": ids,
            "day": pa.array(number).cast(pa.int32()).cast(pa.date32()),
            "y": rows.values[:, 1],
            "x": rows.values[:, 0],
        }
    )
    return table if order is None else table.take(pa.array(order))


def layouts(rows: Rows, names: list[str], folder: Path) -> dict[str, str]:
    """Files with these sequences -> how they are read."""
    within = np.lexsort((np.random.default_rng(2).random(len(rows.values)), np.repeat(np.arange(len(names)), rows.lengths)))
    mixed = np.argsort(np.arange(len(rows.values)) % 7, kind="stable")
    pq.write_table(long_table(rows, names, None), folder / "long.parquet")
    pq.write_table(long_table(rows, names, within), folder / "shuffled-within.parquet")
    pq.write_table(long_table(rows, names, mixed), folder / "mixed.parquet")
    columns = {name: pa.array(rows.split(rows.values[:, place])) for place, name in enumerate("xy")}
    pq.write_table(pa.table(columns | {"walk": names}), folder / "lists.parquet", row_group_size=4_000)
    return {"long": "a step per row", "shuffled-within": "a step per row", "mixed": "a step per row", "lists": "a list per row"}


def test_files_of_several_blocks_from_any_row_on(
    sequences: tuple[Rows, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, names = sequences
    monkeypatch.setattr(lists, "MOST_ROWS", 3_000)
    known = dict(zip(names, rows.split(), strict=True))
    for file, how in layouts(*sequences, tmp_path).items():
        time = None if file == "lists" else "day"
        source = Source(str(tmp_path / f"{file}.parquet"), task="echo", sequence_column="walk", time_column=time)
        reading = reading_of(source, ["x", "y"])
        assert (reading.layout, reading.names) == (how, "walk")
        assert (len([*reading.pieces(0)]) > 1) == (file != "mixed")
        for skip in SKIPS:
            found, ids = joined(reading, skip)
            assert ids is not None
            assert ids == names[skip:] or file == "mixed"
            expected = [known[name] for name in ids]
            assert len(ids) == 30_000 - skip
            assert found.lengths == [*map(len, expected)], (file, skip)
            assert skip == 30_000 or np.array_equal(found.values, np.concatenate(expected)), (file, skip)


def test_reading_holds_one_piece_and_not_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_ROWS", 8_192)
    rows = np.random.default_rng(1).random((400_000, 5)).astype(np.float32)
    table = pa.table({"value": pa.FixedSizeListArray.from_arrays(rows.ravel(), 5)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=20_000)
    del table
    before, most = pa.total_allocated_bytes(), 0
    for piece in reading_of(Source(str(tmp_path / "rows.parquet"), task="echo"), ["value"]).pieces(0):
        most = max(most, pa.total_allocated_bytes() - before)
        assert len(piece.rows.lengths) <= 8_192
    assert most < rows.nbytes / 4


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"walk": ["a", "a", "b"], "day": [1, 1, 2], "x": [1, 2, 3], "y": [1] * 3}, "1 times repeat within a sequence"),
        ({"walk": ["a", "a", "b"], "day": [1, 2, 2], "x": [1, None, 2], "y": [1] * 3}, "row 2, column x: the cell is empty"),
        ({"walk": ["a", None, "b"], "day": [1, 2, 2], "x": [1, 2, 3], "y": [1] * 3}, "column walk: the cell is empty"),
    ],
)
def test_faults_of_long_tables(table: dict[str, Any], said: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(table), tmp_path / "long.parquet")
    source = Source(str(tmp_path / "long.parquet"), task="echo", sequence_column="walk", time_column="day")
    with pytest.raises(DataRefused, match=said):
        [*reading_of(source, ["x", "y"]).pieces(0)]
