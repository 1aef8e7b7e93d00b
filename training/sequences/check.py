"""Checks whether data is fit to train on. Gives the report of `data check`, and the Dataset if there is no fault.

A fault refuses the data. A warning is printed, and training continues.

fault      a cell that is empty, not a number, not finite, beyond float32; a ragged line; inputs and targets of different
           lengths; a sequence shorter than a row; equal inputs, or equal targets; values too close together for float32;
           too few rows on one side of the split
warning    a column that never changes; a repeated sequence (its copies stay on one side);
           held-out rows that also occur in training (they are left out); columns that are not read
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.manifest import DataFacts
from contract.rows import Floats, Ints
from training.sequences.cells import HIGHEST
from training.sequences.columns import listed
from training.sequences.dataset import Dataset, domain_of, starts_of_rows
from training.sequences.reader import Read, read
from training.sequences.source import SHOWN, DataRefused, Fault, Source
from training.sequences.split import blocks_of_time, copies, fingerprints, held_out

QUANTILES: Final = (0.01, 0.25, 0.5, 0.75, 0.99)
BINS: Final = 20
LONGEST: Final = 1000
"""The largest number of items in a row."""
FEWEST_TRAIN: Final = 32
FEWEST_HELD_OUT: Final = 8
LARGEST: Final = HIGHEST / 2
"""The largest absolute value, so that the range of the values is a float32."""
FINEST: Final = 2**12
"""The range of values must have so many steps of float32: with fewer, a bar of a percent means little."""


@dataclass(frozen=True)
class Spread:
    """The distribution of values."""

    low: float
    high: float
    quantiles: dict[str, float]
    histogram: list[int]  # BINS counts, equal widths, from low to high


@dataclass
class Report:
    """The facts about a file; None where faults prevent them."""

    file: str
    layout: str
    task: str
    sequences: int
    items: int
    lengths: dict[str, int]  # shortest, median, longest
    inputs: Spread | None = None
    targets: Spread | None = None
    facts: DataFacts | None = None
    warnings: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    faults_in_all: int = 0


def check(source: Source) -> tuple[Report, Dataset | None]:
    """The report, and the Dataset if there is no fault. Raises DataRefused as `read`."""
    found = read(source)
    report = _counted(source, found)
    faults = found.faults
    length = _row_length(source, found)
    if not len(found.values):
        faults.add(None, None, "has no rows")
    elif isinstance(length, str):
        faults.add(None, None, length)
    elif not found.ragged:
        _short_sequences(found, length)
    if faults.total == 0:
        report.inputs = spread(found.values)
        report.targets = None if found.targets is None else spread(found.targets)
        _whole(found, report)
    dataset = None
    if faults.total == 0 and isinstance(length, int):
        dataset = _split(source, found, length, report)
    refused = DataRefused(*faults.found)
    report.faults, report.faults_in_all = refused.faults, refused.total
    return report, None if refused.total else dataset


def spread(values: Floats) -> Spread:
    low, high = float(values.min()), float(values.max())
    ranks = [round(quantile * (len(values) - 1)) for quantile in QUANTILES]
    quantiles = np.partition(values, ranks)[ranks]
    counts = np.zeros(BINS, np.int64)
    parts = np.array_split(values, len(values) // (1 << 21) + 1)  # in pieces, since float64 takes twice the memory
    if low == high:  # NumPy cannot divide a range of nothing at a large number
        parts, counts[BINS // 2] = [], len(values)
    for part in parts:
        counts += np.histogram(part.astype(np.float64), BINS, (low, high))[0]
    named = {f"{quantile:g}": float(value) for quantile, value in zip(QUANTILES, quantiles, strict=True)}
    return Spread(low, high, named, counts.tolist())


def _counted(source: Source, found: Read) -> Report:
    layout, lengths = found.layout, found.lengths
    of_lengths = {"shortest": lengths.min(), "median": np.median(lengths), "longest": lengths.max()} if len(lengths) else {}
    return Report(
        file=source.file,
        layout="a sequence per row" if not layout.long else "one series" if layout.sequence is None else "an item per row",
        task="mapping" if layout.targets else "echo",
        sequences=len(lengths),
        items=int(lengths.sum()),
        lengths={name: int(value) for name, value in of_lengths.items()},
        warnings=_of_columns(layout.unread, "is not read", "are not read"),
    )


def _of_columns(columns: Sequence[str], one: str, many: str) -> list[str]:
    """A warning for each column, or one for all of many columns."""
    if len(columns) <= SHOWN:
        return [f"column {column} {one}" for column in columns]
    return [f"columns {listed(columns)} {many}"]


def _row_length(source: Source, found: Read) -> int | str:
    """Items in a row, or a message where it is unknown."""
    if source.length is not None:
        return source.length
    if found.layout.long and found.layout.sequence is None:
        return "is one series: choose how many items a row has, for instance --length 5"
    shortest, longest = (int(found.lengths.min()), int(found.lengths.max())) if len(found.lengths) else (1, 1)
    if shortest == longest <= LONGEST:
        return shortest
    for_instance = f"for instance --length {min(shortest, 5)}"
    return f"has sequences of {shortest} to {longest} items: choose how many items a row has, {for_instance}"


def _short_sequences(found: Read, length: int) -> None:
    short = np.flatnonzero(found.lengths < length)
    for sequence in short[:SHOWN].tolist():
        items = int(found.lengths[sequence])
        which = "the sequence" if found.names is None else f"sequence {str(found.names[sequence])!r}"
        row = sequence if found.rows is None else int(found.rows[sequence])
        found.faults.add(row + 1, found.layout.sequence, f"{which} is shorter than a row: {items} of {length} items")
    found.faults.more(max(0, len(short) - SHOWN))


def _whole(found: Read, report: Report) -> None:
    """Faults and warnings of the file as a whole."""
    for word, values in (("input", report.inputs), ("target", report.targets)):
        if values is None:
            continue
        largest = max(abs(values.low), abs(values.high))
        step = float(np.spacing(np.float32(largest)))
        if values.low == values.high:
            found.faults.add(None, None, f"every {word} is {values.low:g}: there is nothing to learn")
        elif largest > LARGEST:
            found.faults.add(
                None, None, f"{word}s reach {largest:g}: beyond {LARGEST:.4g} a difference may not fit into float32"
            )
        elif values.high - values.low < FINEST * step:
            found.faults.add(
                None,
                None,
                f"{word}s lie between {values.low:.9g} and {values.high:.9g}, where float32 has steps of {step:g}: "
                f"subtract an offset from all {word}s",
            )
    if found.faults.total == 0 and not found.layout.long:
        for names, flat in ((found.layout.inputs, found.values), (found.layout.targets, found.targets)):
            table = None if flat is None else flat.reshape(-1, len(names))
            if table is None:
                continue
            same = np.flatnonzero((table == table[0]).all(axis=0))
            if len(same) <= SHOWN:
                report.warnings += [f"column {names[place]} is {table[0, place]:g} in every row" for place in same.tolist()]
            else:
                report.warnings.append(f"columns {listed([names[place] for place in same.tolist()])} never change")


def _split(source: Source, found: Read, length: int, report: Report) -> Dataset | None:
    values, targets, stride = found.values, found.targets, source.stride
    by_time = found.layout.long and len(found.lengths) == 1
    lengths = blocks_of_time(len(values), length) if by_time else found.lengths
    offsets = np.cumsum(lengths) - lengths
    same = fingerprints(values, targets, offsets, lengths)
    if (repeated := copies(same)) and not by_time:
        report.warnings.append(f"{repeated:,} sequences are copies of others: copies stay on the same side of the split")
    out = held_out(same, source.held_out, source.seed)
    train, judged = (starts_of_rows(lengths[side], offsets[side], length, stride) for side in (~out, out))
    fresh = _fresh(values, targets, train, judged, length)
    if not fresh.all():
        report.warnings.append(
            f"{int((~fresh).sum()):,} of {len(judged):,} held-out rows also occur among the training rows: they are left out"
        )
    judged = judged[fresh]
    for side, number, fewest in (("train on", len(train), FEWEST_TRAIN), ("hold out", len(judged), FEWEST_HELD_OUT)):
        if number < fewest:
            found.faults.add(None, None, f"too few rows to {side}: {number}, of at least {fewest}; a row has {length} items")
    if found.faults.total:
        return None
    domain = domain_of(values)
    report.facts = DataFacts(
        file=source.file,
        sha256=found.sha256,
        task="echo" if targets is None else "mapping",
        length=length,
        stride=stride,
        split="by blocks of time" if by_time else "by sequence",
        split_seed=source.seed,
        held_out_fraction=source.held_out,
        sequences_train=int((~out).sum()),
        sequences_held_out=int(out.sum()),
        rows_train=len(train),
        rows_held_out=len(judged),
        targets=domain if targets is None else domain_of(targets),
    )
    return Dataset(values, targets, train, judged, domain, report.facts)


def _fresh(values: Floats, targets: Floats | None, train: Ints, judged: Ints, length: int) -> npt.NDArray[np.bool_]:
    """(held-out rows,): which do not occur among the training rows."""
    taught, asked = (fingerprints(values, targets, rows, np.full(len(rows), length)) for rows in (train, judged))
    taught.sort()
    places = np.searchsorted(taught, asked).clip(max=len(taught) - 1)
    return taught[places] != asked if len(taught) else np.ones(len(asked), np.bool_)
