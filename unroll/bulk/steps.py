"""Reads long tables, a step per line, piece by piece, where the lines of each sequence stand together."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from contract.rows import Floats, Rows
from training.sequences.columns import Layout
from training.sequences.formats.long_tables import Runs
from training.sequences.formats.tables import Table
from training.sequences.formats.times import in_order, numbers_of
from training.sequences.source import DataRefused, Fault, Source
from unroll.bulk.lines import floats_of, table_of
from unroll.bulk.reading import Piece, Reading, filled


def of_steps(source: Source, table: Table, layout: Layout) -> Reading | None:
    """None: all lines are needed at once, since sequences are mixed, or dates are text, whose form all of them tell."""
    if layout.form != "long" or layout.sequence is None or not _comparable(table, layout.time):
        return None
    runs = Runs()
    with table_of(source) as own:
        for block in own.blocks([layout.sequence]):
            if len(runs.add(block.column(layout.sequence))):
                return None  # reading all at once says which names are missing
    grouped = runs.grouped()
    if grouped.order is not None:
        return None
    ends = np.cumsum(grouped.lengths)

    def pieces(skip: int) -> Iterator[Piece]:
        begin = item = 0  # the first sequence that is not handed on, and its first line
        values, times, end = list[Floats](), list[Any](), 0  # of the lines from `item` to `end`
        with table_of(source) as own:
            for block in own.blocks([*layout.features, *([] if layout.time is None else [layout.time])]):
                values.append(floats_of(block, layout.features, own, end, source))
                times.append(None if layout.time is None else block.column(layout.time))
                end += len(block)
                last = int(np.searchsorted(ends, end, side="right"))
                if last == begin:
                    continue
                whole, lengths = np.concatenate(values), grouped.lengths[begin:last]
                items = int(lengths.sum())
                left = None if layout.time is None else pa.concat_arrays(times)
                if last > skip:
                    steps = _in_order(whole[:items], left, lengths, layout, source)
                    first = max(0, skip - begin)
                    steps = filled(steps, lengths, begin, layout.features, source)[int(lengths[:first].sum()) :]
                    yield Piece(Rows(steps, lengths[first:].tolist()), grouped.names.slice(begin + first, last - begin - first))
                values, times = [whole[items:]], [None if left is None else left.slice(items)]
                begin, item = last, item + items

    return Reading("a step per row", layout.sequence, pieces)


def _comparable(table: Table, time: str | None) -> bool:
    """Whether a block's times can be read without the others."""
    dated = ("timestamp", "date", "time")
    return time is None or table.kinds.get(time) in ("number", "rising") or table.types.get(time, "").startswith(dated)


def _in_order(values: Floats, cells: Any, lengths: Any, layout: Layout, source: Source) -> Floats:
    """The steps of each sequence by their times."""
    if cells is None:
        return values
    times, reason = numbers_of(cells.slice(0, len(values)))
    if times is None:
        raise DataRefused([Fault(source.file, None, None, layout.time, str(reason))])
    order, _, twice = in_order(times, lengths)
    if twice:
        wrong = f"{twice} times repeat within a sequence: leave one row of each time"
        raise DataRefused([Fault(source.file, None, None, layout.time, wrong)])
    return values if order is None else values[order]
