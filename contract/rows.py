"""Rows: sequences of any lengths, end to end, and the array types that every package shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Rows:
    """Rows of any lengths, end to end: the one form in which sequences travel from the door to the model and back.

    `values` is (items,) float32; `lengths` has a number a row and sums to `items`. All three topologies answer with as
    many values as they were given, so an answer is `values` again, under the same `lengths`.
    """

    values: Floats
    lengths: list[int]  # a list, since most requests have one row, and NumPy takes a microsecond to look at it
    _uniform: int | None = -1  # until it is asked for; of thousands of rows it takes longer than their share of the model

    @classmethod
    def of(cls, sequences: Sequence[Sequence[float] | npt.NDArray[Any]]) -> "Rows":
        """Rows from ordinary lists or 1-D arrays. Numbers beyond float32 become infinite."""
        lengths = list(map(len, sequences))
        return cls(np.fromiter(chain.from_iterable(sequences), np.float32, sum(lengths)), lengths)

    @classmethod
    def end_to_end(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of several requests as one batch."""
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([part.values for part in parts]), [*chain.from_iterable(part.lengths for part in parts)])

    def parts(self, counts: Sequence[int]) -> "list[Rows]":
        """`end_to_end` undone: as many of the rows as `counts` says in each, together all of them."""
        items = [0, *accumulate(self.lengths)]
        bounds = pairwise([0, *accumulate(counts)])
        return [Rows(self.values[items[first] : items[last]], self.lengths[first:last]) for first, last in bounds]

    @property
    def uniform(self) -> int | None:
        """The length that all rows share, or None where they differ (or there is no row)."""
        if self._uniform == -1:
            first = self.lengths[0] if self.lengths else None
            self._uniform = first if first is not None and self.lengths.count(first) == len(self.lengths) else None
        return self._uniform

    @property
    def longest(self) -> int:
        """Items in the longest row."""
        return self.uniform or max(self.lengths)

    @property
    def starts(self) -> Ints:
        """(rows,): where each row begins in `values`."""
        if self.uniform:  # of thousands of rows in a fiftieth of the time
            return np.arange(0, len(self.values), self.uniform)
        return np.cumsum([0, *self.lengths[:-1]])

    def split(self, values: Floats | None = None) -> list[Floats]:
        """`values` (by default these rows' own) cut back into one array a row."""
        return np.split(self.values if values is None else values, np.cumsum(self.lengths)[:-1])
