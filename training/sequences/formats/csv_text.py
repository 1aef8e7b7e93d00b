"""Reads CSV block by block by Arrow, every cell as text, so that a fault quotes the cell as it is written.

Why Arrow: it reports a ragged line with its number and continues, and it reads from a pipe. Parsing 10 million lines takes
1.1 s for a long table, 3.4 s for five columns. DuckDB's `store_rejects` does not report nan or values beyond float32. Polars
stops at the first cell that does not parse.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.csv

from training.sequences.cells import Faults
from training.sequences.columns import NUMBER, Kind
from training.sequences.formats.opened import BLOCK, INSTEAD, TOO_LONG, Opened
from training.sequences.formats.tables import SAMPLED_ROWS, Table, kind_of
from training.sequences.source import DataRefused, Source, refuse

MOST_COLUMNS: Final = 100_000
"""Each column is read by itself, which takes 40 microseconds a block."""
NO_TEXT: Final = (
    "is no text in UTF-8: save it as CSV in UTF-8; if it is of another format, give it that suffix, such as .npz or .parquet"
)
MOST_RAGGED: Final = 10_000
"""Reading stops after so many ragged lines: the file is of another kind."""
SAMPLE: Final = 1 << 16
"""Bytes after the first line that tell numbers from text."""


class _Begun(io.RawIOBase):
    """A stream whose first line and sample are known in advance."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.first_line = stream.readline(BLOCK + 1)
        self.sample = stream.read(SAMPLE) if len(self.first_line) <= BLOCK else b""
        self._pending = self.first_line + self.sample

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = self._pending[: len(buffer)] or self._stream.read(len(buffer))
        self._pending = self._pending[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def table_of(opened: Opened, source: Source) -> Table:
    """The table in a CSV file, not read yet. Raises DataRefused where the first line shows that it is none."""
    begun = _Begun(opened.stream())
    columns, delimiter, header = _columns(begun.first_line, source)
    faults, ragged = Faults(source.file, header), list[int]()

    def skip(line: Any) -> str:
        ragged.append(line.number - 1 - header)
        cells = "1 cell" if line.actual_columns == 1 else f"{line.actual_columns} cells"
        what = f"{cells} in a table of {line.expected_columns} columns"
        faults.add(line.number - header, None, what if line.text.strip() else "the line is empty")
        return "skip" if len(ragged) < MOST_RAGGED else "error"

    def blocks(needed: list[str]) -> Iterator[Any]:
        try:
            yield from pyarrow.csv.open_csv(
                begun,
                pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False, column_names=columns, skip_rows=header),
                pyarrow.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=skip),
                pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=needed),
            )
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                refuse(source, TOO_LONG)
            if "UTF8" in str(error):
                refuse(source, NO_TEXT)
            if len(ragged) < MOST_RAGGED:
                refuse(source, f"cannot be read as CSV: {error}")
            raise DataRefused(*faults.found) from error

    return Table(columns, _kinds(begun, columns, delimiter, header), blocks, faults, ragged)


def _columns(line: bytes, source: Source) -> tuple[list[str], str, int]:
    """Column names, delimiter, and lines of the header. Without a header a line is a sequence, or an item of one column."""
    if len(line) > BLOCK:
        refuse(source, TOO_LONG)
    try:
        first = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        refuse(source, NO_TEXT)
    if "\0" in first:
        refuse(source, NO_TEXT)
    if not first.strip():
        refuse(source, "is empty, or its first line is empty")
    if "\r" in first:
        refuse(source, "expected lines that end with LF or CRLF; received a bare CR in the first line: convert the line ends")
    delimiter = max(",;\t", key=first.count)
    if (number := first.count(delimiter) + 1) > MOST_COLUMNS:
        refuse(source, f"expected at most {MOST_COLUMNS:,} columns; received {number:,}: {INSTEAD}")
    try:
        columns = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter))]
    except csv.Error as error:  # a cell of more than 128 KiB
        refuse(source, f"cannot be read as CSV: first line: {error}")
    if not all(NUMBER.fullmatch(cell) for cell in columns):
        return columns, delimiter, 1
    return ["value"] if len(columns) == 1 else [f"input_{n}" for n in range(len(columns))], delimiter, 0


def _kinds(begun: _Begun, columns: list[str], delimiter: str, header: int) -> dict[str, Kind]:
    text = (b"" if header else begun.first_line) + begun.sample
    lines = text.decode("utf-8", "replace").splitlines()[: SAMPLED_ROWS + 1]
    if len(begun.sample) == SAMPLE:
        lines = lines[:-1]  # it is not whole
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if len(row) == len(columns)]
    except csv.Error:  # Arrow will say where
        rows = []
    return {name: kind_of(cells) for name, cells in zip(columns, zip(*rows, strict=True), strict=True)} if rows else {}
