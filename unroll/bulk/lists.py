"""Reads Parquet with a row per line: a list of numbers for each feature, or one list of steps."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contract.rows import Floats, Ints, Rows, all_finite
from training.sequences.cells import Faults, describe, float32
from training.sequences.columns import listed
from training.sequences.source import DataRefused, Fault, Source, refuse
from unroll.bulk.reading import MOST_ROWS, PIECE_ITEMS, Piece, Reading, column_of_names, filled

FEWEST_ROWS: Final = 64
"""Rows of a piece, where rows are long."""


def is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def of_lists(file: pq.ParquetFile, source: Source, features: Sequence[str]) -> Reading:
    """Raises DataRefused where the lists are not those of the features."""
    schema = file.schema_arrow
    lists = [name for name in schema.names if is_list(schema.field(name).type)]
    columns = list(features) if set(features) <= {*lists} else lists
    deep = len(columns) == 1 and is_list(schema.field(columns[0]).type.value_type)
    if len(columns) != (1 if deep else len(features)):
        expected = f"a column with a list for each feature ({listed(features)}), or one column with lists of steps"
        refuse(source, f"expected {expected}; received lists in {listed(lists)}")
    names = column_of_names([name for name in schema.names if name not in lists], (), source)

    def pieces(skip: int) -> Iterator[Piece]:
        groups, first = _groups_after(file, skip)
        needed = columns if names is None else [*columns, names]
        for batch in file.iter_batches(batch_size=_rows_at_once(file), row_groups=groups, columns=needed):
            left_out = min(len(batch), max(0, skip - first))
            first += left_out
            part = batch.slice(left_out)
            if len(part):
                cells = [part.column(name) for name in columns]
                rows = _deep(cells[0], len(features), first, source) if deep else _side_by_side(cells, columns, first, source)
                if source.missing == "fill":
                    rows = Rows(filled(rows.values, np.array(rows.lengths), first, features, source), rows.lengths)
                yield Piece(rows, None if names is None else pc.cast(part.column(names), pa.string()))
                first += len(part)

    return Reading("a list per row", names, pieces)


def _groups_after(file: pq.ParquetFile, skip: int) -> tuple[list[int], int]:
    """The row groups that hold more than the first `skip` rows, and the number of the first of their rows."""
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    ends = np.cumsum(sizes)
    begin = int(np.searchsorted(ends, skip, side="right"))
    return [*range(begin, len(sizes))], int(ends[begin - 1]) if begin else 0


def _rows_at_once(file: pq.ParquetFile) -> int:
    """As many as hold PIECE_ITEMS numbers on average."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    numbers = sum(int(group.column(place).num_values) for group in groups for place in range(group.num_columns))
    rows = int(file.metadata.num_rows)
    return max(FEWEST_ROWS, min(MOST_ROWS, PIECE_ITEMS * rows // max(1, numbers)))


def _side_by_side(cells: list[Any], columns: Sequence[str], first: int, source: Source) -> Rows:
    """A list of numbers for each feature."""
    lengths = _lengths(cells[0], columns[0], first, source)
    for name, other in zip(columns[1:], cells[1:], strict=True):
        unlike = np.flatnonzero(_lengths(other, name, first, source) != lengths)
        if len(unlike):
            row = int(unlike[0])
            wrong = f"expected {lengths[row]} numbers, as {columns[0]} has; received {len(other[row])}"
            raise DataRefused([Fault(source.file, first + row + 1, None, name, wrong)])
    values = [_numbers(each, name, lengths, first, source) for name, each in zip(columns, cells, strict=True)]
    return Rows(values[0].reshape(-1, 1) if len(values) == 1 else np.stack(values, axis=1), lengths.tolist())


def _deep(cells: Any, width: int, first: int, source: Source) -> Rows:
    """A list of steps, each a list with a number for each feature."""
    name = "steps"
    lengths, steps = _lengths(cells, name, first, source), cells.flatten()
    widths = _lengths(steps, name, first, source)
    if len(wrong := np.flatnonzero(widths != width)):
        row = first + int(np.searchsorted(np.cumsum(lengths), wrong[0], side="right"))
        reason = f"expected steps of {width} numbers; received one of {widths[wrong[0]]}"
        raise DataRefused([Fault(source.file, row + 1, None, None, reason)])
    return Rows(_numbers(steps, name, lengths * width, first, source).reshape(-1, width), lengths.tolist())


def _lengths(cells: Any, name: str, first: int, source: Source) -> Ints:
    if cells.null_count:
        row = first + int(np.flatnonzero(pc.is_null(cells).to_numpy(zero_copy_only=False))[0])
        raise DataRefused([Fault(source.file, row + 1, None, name, "the cell is empty")])
    lengths: Ints = pc.list_value_length(cells).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _numbers(cells: Any, name: str, lengths: Ints, first: int, source: Source) -> Floats:
    """The numbers of all lists. `lengths`: how many are of each row."""
    numbers = cells.flatten()
    kind = numbers.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        refuse(source, f"expected lists of numbers in column {name}; received {cells.type}")
    if not numbers.null_count and pa.types.is_floating(kind):  # nearly always
        with np.errstate(over="ignore", invalid="ignore"):
            values: Floats = numbers.to_numpy().astype(np.float32, copy=False)
            if all_finite(values):
                return values
    values, bad = float32(numbers, source.missing == "fill")
    if len(bad):
        faults = Faults(source.file, None)
        describe(numbers, bad, faults, first + np.searchsorted(np.cumsum(lengths), bad, side="right"), name)
        raise DataRefused(*faults.found)
    return values
