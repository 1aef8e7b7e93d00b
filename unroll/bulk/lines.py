"""Reads tables with a row per line, in columns input_0, input_1, ..., a block of lines at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Floats, Rows
from training.sequences.cells import describe, float32
from training.sequences.columns import Layout
from training.sequences.formats import csv_text, parquet
from training.sequences.formats.opened import opened
from training.sequences.formats.tables import FORMS, Table
from training.sequences.source import DataRefused, Source
from unroll.bulk.reading import Piece, Reading, column_of_names, filled

PARQUET = (".parquet", ".pq")


@contextmanager
def table_of(source: Source) -> Iterator[Table]:
    """A table whose lines are not read yet."""
    if Path(source.path).suffix.lower() in PARQUET:
        with open(source.path, "rb") as content:
            yield parquet.table_of(content, source)
    else:
        with opened(source) as file:
            yield csv_text.table_of(file, source)


def of_lines(source: Source, table: Table, layout: Layout) -> Reading:
    names = column_of_names(table.columns, layout.inputs, source)

    def pieces(skip: int) -> Iterator[Piece]:
        first = 0
        with table_of(source) as own:
            for block in own.blocks([*layout.inputs, *([] if names is None else [names])]):
                left_out = min(len(block), max(0, skip - first))
                first += left_out
                part = block.slice(left_out)
                if len(part):
                    rows = _rows(part, layout, own, first, source)
                    yield Piece(rows, None if names is None else pc.cast(part.column(names), pa.string()))
                    first += len(part)

    return Reading(FORMS[layout.form], names, pieces)


def floats_of(block: Any, columns: Sequence[str], table: Table, first: int, source: Source) -> Floats:
    """(lines, columns), with NaN for missing numbers if the user says `--missing fill`. `first`: the number of the first line.

    Raises DataRefused for a wrong cell.
    """
    values = np.empty((len(block), len(columns)), np.float32)
    for place, name in enumerate(columns):
        cells = block.column(name)
        values[:, place], bad = float32(cells, source.missing == "fill")
        if len(bad):
            describe(cells, bad, table.faults, bad + first, name)
    if table.faults.total:
        raise DataRefused(*table.faults.found)
    return values


def _rows(block: Any, layout: Layout, table: Table, first: int, source: Source) -> Rows:
    values = floats_of(block, layout.inputs, table, first, source)
    width = len(layout.features)
    steps = len(layout.inputs) // width
    lengths = np.full(len(block), steps)
    return Rows(filled(values.reshape(-1, width), lengths, first, layout.features, source), lengths.tolist())
