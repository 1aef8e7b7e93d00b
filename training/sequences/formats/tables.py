"""Reads a table, block by block, into sequences. Memory holds the numbers only: 4 bytes each, twice while they are joined."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Floats, Ints
from training.sequences.cells import Faults, describe, float32
from training.sequences.columns import NUMBER, Kind, Layout, layout_of
from training.sequences.formats.found import Found
from training.sequences.formats.long_tables import Runs
from training.sequences.formats.times import in_order, numbers_of
from training.sequences.source import DataRefused, Source, many, refuse

FEW: Final = 1_000
"""A column of text with at most so many different values may name the series of a panel."""
SAMPLED_ROWS: Final = 200
"""Rows that tell what a column holds."""
FORMS: Final = {"wide": "a sequence per row", "pivot": "a series per column"}


class Table(NamedTuple):
    columns: list[str]
    kinds: Mapping[str, Kind]  # of the columns, as far as the first rows tell
    blocks: Callable[[list[str]], Iterable[Any]]  # (columns) -> Arrow record batches with these columns
    faults: Faults
    ragged: list[int]  # rows that were left out, from 0; grows while blocks are read
    types: Mapping[str, str] = MappingProxyType({})  # of the columns that cannot hold numbers


def kind_of(cells: Sequence[str]) -> Kind:
    """What the first cells of a column look like."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if all(NUMBER.fullmatch(cell) for cell in filled):
        numbers = np.array([float(cell) for cell in filled])
        return "rising" if len(numbers) > 2 and (np.diff(numbers) > 0).all() else "number"
    return "other" if any(cell[0] in "+-.0123456789" for cell in filled) else "text"


class _Parts:
    """What was read so far."""

    def __init__(self, layout: Layout) -> None:
        self.values: list[Floats] = []
        self.targets: list[Floats] = []
        self.labels: list[Any] = []
        self.times: list[Any] = []
        self.runs = Runs() if layout.sequence is not None else None
        self.watched: dict[str, set[str]] = {column: set() for column in layout.watched}


def read_table(table: Table, source: Source, sha256: Callable[[], str]) -> Found:
    """Read a table. Raises DataRefused where its layout is unclear."""
    layout = layout_of(table.columns, source, table.kinds)
    for column in layout.numbers:
        if column in table.types:
            table.faults.add(None, column, f"expected numbers; received {table.types[column]}")
    if table.faults.total:
        raise DataRefused(*table.faults.found)
    parts = _gather(table, layout, source)
    values, targets = (_joined(part, width) for part, width in ((parts.values, layout.inputs), (parts.targets, layout.targets)))
    found = Found(
        sha256=sha256(),
        layout=FORMS.get(layout.form, "one series" if layout.sequence is None else "a step per row"),
        faults=table.faults,
        values=values,
        features=list(layout.features),
        lengths=np.array([len(values)]),
        per_step=layout.per_step,
        targets=targets if layout.targets else None,
        goals=list(layout.targets),
        labels=pa.concat_arrays(parts.labels) if parts.labels else None,
        label=layout.labels[0] if layout.labels else None,
        ragged=bool(table.ragged),
        unread=layout.unread,
    )
    if layout.form == "long" and (layout.labels or layout.targets) and len(layout.features) > 1 and not source.features:
        found.warnings.append(f"features are all {len(layout.features)} other columns of numbers: --features names fewer")
    if layout.time is not None:
        found.times = _times(parts.times, layout, source, found)
    if layout.form == "wide":
        _as_rows(found, layout)
    elif layout.form == "pivot":
        _as_series(found, layout, source)
    else:
        _as_sequences(found, layout, parts, source)
    return found


def _gather(table: Table, layout: Layout, source: Source) -> _Parts:
    parts, faults, done, keep = _Parts(layout), table.faults, 0, source.missing != "refuse"
    for block in table.blocks(layout.needed):
        left_out = np.array(table.ragged, np.int64) - np.arange(len(table.ragged))
        for names, values in ((layout.inputs, parts.values), (layout.targets, parts.targets)):
            if names:
                values.append(_numbers(block, names, faults, done, left_out, keep))
        if layout.labels:
            parts.labels.append(_labels(block, layout.labels, faults, done, left_out, source))
        if parts.runs is not None:
            ids = block.column(layout.sequence)
            empty = parts.runs.add(ids)
            describe(ids, empty, faults, _file_rows(empty + done, left_out), str(layout.sequence))
        if layout.time is not None:
            parts.times.append(block.column(layout.time))
        for column, seen in parts.watched.items():
            if len(seen) <= FEW:
                seen.update(cell for cell in pc.unique(block.column(column)).to_pylist() if cell)
        done += len(block)
    return parts


def _numbers(block: Any, names: tuple[str, ...], faults: Faults, done: int, left_out: Ints, keep: bool) -> Floats:
    """(rows, columns): the numbers of a block."""
    together = np.empty((len(block), len(names)), np.float32)
    for place, name in enumerate(names):
        cells = block.column(name)
        together[:, place], bad = float32(cells, keep)
        if len(bad):
            describe(cells, bad, faults, _file_rows(bad + done, left_out), name)
    return together


def _labels(block: Any, names: tuple[str, ...], faults: Faults, done: int, left_out: Ints, source: Source) -> Any:
    """Arrow text, row by row; null where a cell is empty."""
    columns = [pc.utf8_trim_whitespace(pc.cast(block.column(name), pa.large_string())) for name in names]
    columns = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.large_string()), column) for column in columns]
    for name, column in zip(names, columns, strict=True):
        if column.null_count and source.missing != "drop":
            empty = np.flatnonzero(pc.is_null(column).to_numpy(zero_copy_only=False))
            describe(column, empty, faults, _file_rows(empty + done, left_out), name)
    if len(columns) == 1:
        return columns[0]
    places = np.arange(len(block) * len(names)).reshape(len(names), -1).T.reshape(-1)  # column after column -> row after row
    return pa.concat_arrays(columns).take(pa.array(places))


def _file_rows(read_rows: Ints, left_out: Ints) -> Ints:
    """The file's rows, from 0. `read_rows` counts without the ragged lines; `left_out` says how many rows precede each."""
    return read_rows + np.searchsorted(left_out, read_rows, side="right")


def _joined(parts: list[Floats], columns: tuple[str, ...]) -> Floats:
    joined = np.concatenate(parts) if parts else np.empty((0, len(columns)), np.float32)
    parts.clear()
    pa.default_memory_pool().release_unused()
    return joined


def _times(parts: list[Any], layout: Layout, source: Source, found: Found) -> Any:
    """(rows,) float64; None where the column was found by its name alone, and holds no times."""
    cells = pa.concat_arrays(parts) if parts else pa.array([], pa.string())
    times, reason = numbers_of(cells)
    found.dated = pa.types.is_temporal(cells.type) or (len(cells) > 0 and not NUMBER.fullmatch(str(cells[0]).strip()))
    if times is None and source.time_column is None:
        found.warnings.append(f"column {layout.time} is not read: {reason}")
    elif times is None:
        found.faults.add(None, layout.time, str(reason))
    return times


def _as_rows(found: Found, layout: Layout) -> None:
    """A wide table: rows side by side."""
    width = len(layout.features)
    found.lengths = np.full(len(found.values), len(layout.inputs) // width)
    found.values = found.values.reshape(-1, width)
    found.even = True
    if layout.per_step and found.targets is not None:
        found.targets, found.goals = found.targets.reshape(-1, 1), ["target"]


def _as_series(found: Found, layout: Layout, source: Source) -> None:
    """A pivot: its columns one after another."""
    rows, series = found.values.shape
    if found.times is not None:
        order = _sorted(found, np.array([rows]), None, layout, source)
        found.values = found.values if order is None else found.values[order]
        found.times = np.tile(found.times, series)
    found.values = np.ascontiguousarray(found.values.T).reshape(-1, 1)
    found.lengths = np.full(series, rows)
    found.names = pa.array(layout.inputs, pa.large_string())


def _as_sequences(found: Found, layout: Layout, parts: _Parts, source: Source) -> None:
    """A long table: the rows of each sequence together, sorted by time."""
    items = len(found.values)
    found.rows, found.sequence = np.zeros(1, np.int64), layout.sequence
    if layout.sequence is None and (found.times is None or in_order(found.times, found.lengths)[2]):
        _ask_for_sequences(parts.watched, items, source)  # times that never repeat are those of one series
    if parts.runs is not None and items:
        found.names, found.lengths, found.rows, order = parts.runs.grouped()
        _reorder(found, order)
    if found.times is not None and items:
        _reorder(found, _sorted(found, found.lengths, layout.sequence, layout, source), times=False)


def _ask_for_sequences(watched: dict[str, set[str]], items: int, source: Source) -> None:
    for column, seen in watched.items():
        if 2 <= len(seen) <= min(FEW, items // 2):
            some = ", ".join(sorted(seen)[:3])
            refuse(
                source,
                f"column {column} holds the same few texts again and again ({some}): if it names the series, "
                f"--sequence-column {column}; if it is the class of each step, --label {column}; otherwise remove the column",
            )


def _sorted(found: Found, lengths: Ints, sequence: str | None, layout: Layout, source: Source) -> Ints | None:
    """The order of the rows by time within each sequence; None: they are in order. Adds a fault where a time repeats."""
    order, found.times, twice = in_order(found.times, lengths)
    if order is not None:
        found.warnings.append(f"rows were not in the order of {layout.time}: they are sorted")
    if twice and layout.form == "long" and sequence is None:
        refuse(
            source,
            f"times repeat in column {layout.time}, {twice:,} of {len(found.times):,}: if the table has several series, "
            "--sequence-column NAME; otherwise leave one row of each time",
        )
    if twice:
        found.faults.add(
            None,
            layout.time,
            f"{many(twice, 'time')} {'repeats' if twice == 1 else 'repeat'} within a sequence: leave one row of each time",
        )
    return order


def _reorder(found: Found, order: Ints | None, times: bool = True) -> None:
    if order is None:
        return
    found.values = found.values[order]
    if found.targets is not None:
        found.targets = found.targets[order]
    if found.labels is not None:
        found.labels = found.labels.take(pa.array(order))
    if times and found.times is not None:
        found.times = found.times[order]


def text_blocks(rows: Iterable[dict[str, str | None]], columns: list[str], size: int = 1 << 16) -> Iterator[Any]:
    """Records as Arrow batches of text."""
    batch: list[dict[str, str | None]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield _batch(batch, columns)
            batch = []
    if batch:
        yield _batch(batch, columns)


def _batch(rows: list[dict[str, str | None]], columns: list[str]) -> Any:
    return pa.record_batch({column: pa.array([row.get(column) for row in rows], pa.string()) for column in columns})
