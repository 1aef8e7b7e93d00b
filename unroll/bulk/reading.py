"""What every way to read a file hands on: rows, piece by piece, in the file's order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from contract.rows import Floats, Ints, Rows
from training.sequences.columns import SEQUENCE_NAMES, usual_column
from training.sequences.formats.missing import carried
from training.sequences.source import DataRefused, Fault, Source

PIECE_ITEMS: Final = 2**19
"""Numbers of a piece, about."""
MOST_ROWS: Final = 2**16
"""Rows of a piece."""


class Piece(NamedTuple):
    rows: Rows
    names: Any = None  # (rows,): Arrow text, where the file names its sequences


class Reading(NamedTuple):
    """`pieces(skip)`: all rows but the first `skip`. Raises OSError, or DataRefused for a wrong cell."""

    layout: str  # as people call it
    names: str | None  # the column that names the sequences
    pieces: Callable[[int], Iterator[Piece]]


def column_of_names(columns: Sequence[str], taken: Sequence[str], source: Source) -> str | None:
    """The column that names the sequences: as the user says, else by its own name."""
    if source.sequence_column is not None:
        if source.sequence_column not in columns:
            expected = f"expected a column {source.sequence_column}; received {', '.join(columns[:12])}"
            raise DataRefused([Fault(source.file, None, None, None, expected)])
        return source.sequence_column
    return usual_column(SEQUENCE_NAMES, columns, taken)


def filled(values: Floats, lengths: Ints, first: int, features: Sequence[str], source: Source) -> Floats:
    """(items, F) without NaN, if the user says `--missing fill`. Raises DataRefused for a row without any number.

    `first`: the file's row, from 0, of the first of these rows.
    """
    if not np.isnan(values).any():
        return values
    whole = np.stack([carried(column, lengths) for column in values.T], axis=1)
    if (gone := np.argwhere(np.isnan(whole))).size:
        item, feature = gone[0].tolist()
        row = first + int(np.searchsorted(np.cumsum(lengths), item, side="right"))
        raise DataRefused([Fault(source.file, row + 1, None, features[feature], "the row has no number to go by")])
    return whole
