"""Reads a file of sequences as rows for a model, whatever its format.

A piece at a time: wide tables, Parquet with lists, and long tables in which the lines of each sequence stand together. All
others are read as training reads them, which takes 4 bytes a number: their steps may come in any order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from contract.rows import Floats, Rows
from training.sequences.columns import layout_of, listed
from training.sequences.formats.found import Found
from training.sequences.reader import read
from training.sequences.source import STDIN, DataRefused, Source, refuse
from unroll.bulk.lines import PARQUET, of_lines, table_of
from unroll.bulk.lists import is_list, of_lists
from unroll.bulk.reading import MOST_ROWS, PIECE_ITEMS, Piece, Reading, filled
from unroll.bulk.steps import of_steps
from unroll.inputs import in_parts

TABLES: Final = (*PARQUET, ".csv", ".tsv")
"""Suffixes of tables that may be read a block at a time. Other files, and compressed ones, are read at once."""


def reading_of(source: Source, features: Sequence[str]) -> Reading:
    """How to read a file for a model of these features. Raises OSError, or DataRefused where it is unclear."""
    suffix = Path(source.path).suffix.lower()
    if source.path == STDIN or "://" in source.path or suffix not in TABLES or source.pivot:
        return _whole(source, features)
    try:
        if suffix in PARQUET and any(map(is_list, (file := pq.ParquetFile(source.path, pre_buffer=False)).schema_arrow.types)):
            return of_lists(file, source, features)
        with table_of(source) as table:
            named = _named(source, features, table.columns)
            numbered = any(column[-1:].isdigit() for column in table.columns)  # a wide table may name its sequences, too
            layout = layout_of(table.columns, replace(named, sequence_column=None) if numbered else named, table.kinds)
            if layout.form == "wide":
                return of_lines(named, table, layout)
            return of_steps(named, table, layout_of(table.columns, named, table.kinds)) or _whole(named, features)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        refuse(source, f"cannot be read as Parquet: {error}")


def _named(source: Source, features: Sequence[str], columns: Sequence[str]) -> Source:
    """With the model's features, unless the columns have no names, as input_0, input_1, ... have none."""
    unnamed = len(features) == 1 and features[0] not in columns and not any(each.startswith(features[0]) for each in columns)
    return source if source.features or unnamed else replace(source, features=tuple(features))


def _whole(source: Source, features: Sequence[str]) -> Reading:
    found = read(source)
    if found.faults.total:
        raise DataRefused(*found.faults.found)
    values = filled(_in_order(found, features, source), found.lengths, 0, features, source)
    rows = Rows(values, found.lengths.tolist())

    def pieces(skip: int) -> Iterator[Piece]:
        first = 0
        for part in in_parts(rows, PIECE_ITEMS, MOST_ROWS):
            last = first + len(part.lengths)
            if skip < last:
                left_out = max(0, skip - first)
                kept = Rows(part.values[sum(part.lengths[:left_out]) :], part.lengths[left_out:])
                yield Piece(kept, None if found.names is None else found.names.slice(first + left_out, len(kept.lengths)))
            first = last

    return Reading(found.layout, found.sequence or ("series" if found.names is not None else None), pieces)


def _in_order(found: Found, features: Sequence[str], source: Source) -> Floats:
    """The columns in the model's order: by their names, or by their places where the file has no names for them."""
    nameless = ["value"] if len(features) == 1 else [f"feature_{place}" for place in range(len(features))]
    if sorted(found.features) not in (sorted(features), sorted(nameless)) and not source.features:
        refuse(source, f"expected the features {listed(features)}; received {listed(found.features)}")
    if set(found.features) == set(features):
        return found.values[:, [found.features.index(name) for name in features]]
    return found.values
