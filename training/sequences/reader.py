"""Reads a file of sequences into values end to end, and checks every cell.

Arrow reads block by block, so memory holds the values only: 4 bytes each, twice while they are joined. Why Arrow: cells
come as text, so a fault quotes the cell as written; Arrow reports a ragged line with its number and continues; CSV may come
from a pipe, and Parquet by row groups. Parsing 10 million lines takes 1.1 s for a long table, 3.4 s for five columns.
DuckDB's `store_rejects` does not report nan or values beyond float32. Polars stops at the first cell that does not parse.
An NPZ array is read whole.
"""

import csv
import errno
import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from contract.rows import Floats, Ints
from training.sequences.cells import Faults, describe, float32
from training.sequences.columns import NUMBER, Layout, layout_of
from training.sequences.long_tables import Runs
from training.sequences.source import STDIN, DataRefused, Fault, Source

BLOCK: Final = 1 << 22
"""Bytes of text per parsed block."""
MOST_COLUMNS: Final = 100_000
"""Each column is read by itself, which takes 40 microseconds a block."""
MOST_ITEMS: Final = 1_000_000
"""Items in a row of an array, which is read column by column."""
INSTEAD: Final = "write long sequences with an item per line, or as NPZ"
TOO_LONG: Final = f"expected lines of at most {BLOCK >> 20} MiB; received a longer one: {INSTEAD}"
MOST_PIPED: Final = 256 << 20
"""Bytes that are read from a pipe, which may have no end. Files have no limit."""
MOST_RAGGED: Final = 10_000
"""Reading stops after so many ragged lines: the file is of another kind."""


class Read(NamedTuple):
    """A file's values. Bad cells are 0, and `faults` has them."""

    sha256: str
    values: Floats  # (items,), sequence after sequence
    targets: Floats | None  # (items,)
    lengths: Ints  # (sequences,)
    rows: Ints | None  # (sequences,): the file's row, from 0, of each first item; None: one row per sequence
    names: Any  # (sequences,): Arrow array of the sequence ids; None without a sequence column
    layout: Layout
    faults: Faults
    ragged: bool  # ragged lines were skipped, so lengths are not reliable


def read(source: Source) -> Read:
    """Read a file. Raises DataRefused where it cannot be read or is of another kind. Bad cells are in `faults`."""
    readers = {".npz": _read_npz, ".parquet": _read_parquet, ".pq": _read_parquet}
    try:
        return readers.get(Path(source.path).suffix.lower(), _read_csv)(source)
    except OSError as error:  # Arrow raises it too, for a damaged page of Parquet
        refuse(source, f"cannot be read: {error.strerror or error}")
    except MemoryError as error:  # NumPy allocates what the header of an array claims
        refuse(source, f"needs more memory than there is: {error}")


def refuse(source: Source, reason: str) -> NoReturn:
    """Refuse the file as a whole. Raises DataRefused."""
    raise DataRefused([Fault(source.file, None, None, None, reason)])


class _Hashed(io.RawIOBase):
    """A stream that hashes what is read from it, and that knows its first line in advance."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hash = stream, hashlib.sha256()
        self.first_line = stream.readline(BLOCK + 1)
        self._pending = self.first_line
        self._left = sys.maxsize if _is_file(stream) else MOST_PIPED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = self._pending[: len(buffer)] or self._stream.read(len(buffer))
        self._pending = self._pending[len(taken) :]
        buffer[: len(taken)] = taken
        self._left -= len(taken)
        if self._left < 0:
            raise OSError(errno.EFBIG, f"expected at most {MOST_PIPED >> 20} MiB from a pipe; received more: save it to a file")
        self._hash.update(taken)
        return len(taken)

    def hexdigest(self) -> str:
        while self.read(BLOCK):  # to the end, since a reader may stop early
            pass
        return self._hash.hexdigest()


def _read_csv(source: Source) -> Read:
    with ExitStack() as stack:
        raw = sys.stdin.buffer if source.path == STDIN else stack.enter_context(open(source.path, "rb"))
        hashed = _Hashed(raw)
        columns, delimiter, header = _columns(hashed.first_line, source)
        layout = layout_of(columns, source)
        faults, ragged = Faults(source.file, header), list[int]()

        def skip(line: Any) -> str:
            ragged.append(line.number - 1 - header)
            cells = "1 cell" if line.actual_columns == 1 else f"{line.actual_columns} cells"
            what = f"{cells} in a table of {line.expected_columns} columns"
            faults.add(line.number - header, None, what if line.text.strip() else "the line is empty")
            return "skip" if len(ragged) < MOST_RAGGED else "error"

        try:
            reader = pyarrow.csv.open_csv(
                hashed,
                pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False, column_names=columns, skip_rows=header),
                pyarrow.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=skip),
                pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=_needed(layout)),
            )
            parts = _gather(reader, layout, faults, ragged)
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                refuse(source, TOO_LONG)
            if len(ragged) < MOST_RAGGED:
                refuse(source, f"cannot be read as CSV: {error}")
            raise DataRefused(*faults.found) from error
        return _assemble(hashed.hexdigest(), parts, layout, faults, bool(ragged))


def _columns(line: bytes, source: Source) -> tuple[list[str], str, int]:
    """Column names, delimiter, and lines of the header. Without a header a line is a sequence, or an item of one column."""
    if len(line) > BLOCK:
        refuse(source, TOO_LONG)
    try:
        first = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        refuse(source, f"cannot be read as CSV: {error}")
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


def _read_parquet(source: Source) -> Read:
    digest = _hash_of(source)
    try:
        table = pyarrow.parquet.ParquetFile(source.path)
        schema = table.schema_arrow
        layout, faults = layout_of(list(schema.names), source), Faults(source.file, None)
        for column in layout.columns:
            kind = schema.field(column).type
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
                faults.add(None, column, f"expected numbers; received {kind}")
        if faults.total:
            raise DataRefused(*faults.found)
        blocks = table.iter_batches(batch_size=1 << 16, columns=_needed(layout))
        return _assemble(digest, _gather(blocks, layout, faults, []), layout, faults)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        refuse(source, f"cannot be read as Parquet: {error}")


def _read_npz(source: Source) -> Read:
    """Arrays `inputs`, and `targets` for a mapping: (rows, length), or (items,) of one series."""
    digest, faults = _hash_of(source), Faults(source.file, None)
    try:
        with np.load(source.path, allow_pickle=False) as arrays:
            loaded = {name: arrays[name] for name in ("inputs", "targets") if name in arrays}
            there = ", ".join(arrays.files) or "none"
    except (OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and the header's parser raise many kinds for a damaged file
        refuse(source, f"cannot be read as NPZ: {error}")
    if "inputs" not in loaded:
        refuse(source, f"expected arrays inputs (and targets); received {there}")
    inputs = loaded["inputs"]
    for name, array in loaded.items():
        right = array.ndim == 1 or (array.ndim == 2 and 1 <= array.shape[1] <= MOST_ITEMS)
        if array.dtype.kind not in "iuf" or not right or array.shape != inputs.shape:
            wanted = "(rows, length) or (items,)" if name == "inputs" else f"{inputs.shape}, that of inputs"
            faults.add(None, name, f"expected numbers of shape {wanted}; received {array.dtype} of shape {array.shape}")
    if faults.total:
        raise DataRefused(*faults.found)
    long = inputs.ndim == 1
    # An array is read as a table with one column per item; a series has one column.
    columns = {name: array[:, None] if long else array for name, array in loaded.items()}
    names = {name: (name,) if long else tuple(f"{name}[{n}]" for n in range(array.shape[1])) for name, array in columns.items()}
    layout = Layout(names["inputs"], names.get("targets", ()), None, long)
    flat = {}
    for name, array in columns.items():
        flat[name] = np.empty(array.shape, np.float32)
        for place, column in enumerate(names[name]):
            flat[name][:, place], bad = float32(array[:, place])
            describe(array[:, place], bad, faults, bad, column)
    joined = {name: array.reshape(-1) for name, array in flat.items()}
    parts = _Parts([joined["inputs"]], [joined["targets"]] if "targets" in joined else [], None)
    return _assemble(digest, parts, layout, faults)


class _Parts(NamedTuple):
    values: list[Floats]
    targets: list[Floats]  # none: an echo
    runs: Runs | None  # only of a long table with a sequence column


def _gather(blocks: Iterable[Any], layout: Layout, faults: Faults, ragged: list[int]) -> _Parts:
    parts = _Parts([], [], Runs() if layout.sequence is not None else None)
    done = 0
    for block in blocks:
        left_out = np.array(ragged, np.int64) - np.arange(len(ragged))
        for names, values in ((layout.inputs, parts.values), (layout.targets, parts.targets)):
            if names:
                values.append(_numbers(block, names, faults, done, left_out))
        if parts.runs is not None:
            ids = block.column(layout.sequence)
            empty = parts.runs.add(ids)
            describe(ids, empty, faults, _file_rows(empty + done, left_out), str(layout.sequence))
        done += len(block)
    return parts


def _numbers(block: Any, names: tuple[str, ...], faults: Faults, done: int, left_out: Ints) -> Floats:
    """(rows * columns,): the numbers of a block, row by row."""
    together = np.empty((len(block), len(names)), np.float32)
    for place, name in enumerate(names):
        cells = block.column(name)
        together[:, place], bad = float32(cells)
        if len(bad):
            describe(cells, bad, faults, _file_rows(bad + done, left_out), name)
    return together.reshape(-1)


def _file_rows(read_rows: Ints, left_out: Ints) -> Ints:
    """The file's rows, from 0. `read_rows` counts without the ragged lines; `left_out` says how many rows precede each."""
    return read_rows + np.searchsorted(left_out, read_rows, side="right")


def _assemble(digest: str, parts: _Parts, layout: Layout, faults: Faults, ragged: bool = False) -> Read:
    values, targets = (_joined(part) for part in parts[:2])
    names, rows = None, None
    if not layout.long:
        lengths = np.broadcast_to(np.int64(len(layout.inputs)), len(values) // len(layout.inputs))  # takes no memory
    elif parts.runs is None or not len(values):
        rows, lengths = np.zeros(1, np.int64), np.array([len(values)])
    else:
        names, lengths, rows, order = parts.runs.grouped()
        if order is not None:
            values, targets = values[order], targets[order] if layout.targets else targets
    return Read(digest, values, targets if layout.targets else None, lengths, rows, names, layout, faults, ragged)


def _joined(parts: list[Floats]) -> Floats:
    joined = np.concatenate(parts) if parts else np.empty(0, np.float32)
    parts.clear()
    pa.default_memory_pool().release_unused()
    return joined


def _needed(layout: Layout) -> list[str]:
    return [*layout.columns, *([] if layout.sequence is None else [layout.sequence])]


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # a stream in memory, as in tests
        return False


def _hash_of(source: Source) -> str:
    with open(source.path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
