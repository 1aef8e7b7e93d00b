"""Rows: sequences of any lengths, end to end, and the array types that every package shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Rows:
    """Rows of any lengths, end to end: the only form of sequences between a request and the model.

    `values` is (items, F) float32: an item is a step of F features. `lengths` has one number per row and sums to `items`.
    """

    values: Floats
    lengths: list[int]  # a list: most requests have one row, and NumPy needs a microsecond to read one
    _uniform: int | None = -1  # -1: not computed yet, since counting thousands of rows takes long

    @classmethod
    def of(cls, sequences: Sequence[Sequence[Any] | npt.NDArray[Any]], features: int = 1) -> "Rows":
        """Rows from lists or arrays of one axis, (items,), for one feature; else from lists of lists or arrays (items, F).

        Numbers beyond float32 become infinite. Raises ValueError where a step has another number of features.
        """
        lengths = list(map(len, sequences))
        items = chain.from_iterable(sequences)
        if features == 1:
            return cls(np.fromiter(items, np.float32, sum(lengths)).reshape(-1, 1), lengths)
        steps = list(items)
        if others := set(map(len, steps)) - {features}:
            raise ValueError(f"expected steps of {features} numbers; received one of {min(others)}")
        numbers = np.fromiter(chain.from_iterable(steps), np.float32, len(steps) * features)
        return cls(numbers.reshape(-1, features), lengths)

    @classmethod
    def end_to_end(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of several requests as one batch. All have the same features."""
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([part.values for part in parts]), [*chain.from_iterable(part.lengths for part in parts)])

    def parts(self, counts: Sequence[int]) -> "list[Rows]":
        """Undo `end_to_end`: one `Rows` for each count. The counts sum to all rows."""
        items = [0, *accumulate(self.lengths)]
        bounds = pairwise([0, *accumulate(counts)])
        return [Rows(self.values[items[first] : items[last]], self.lengths[first:last]) for first, last in bounds]

    @property
    def features(self) -> int:
        """Numbers in each step."""
        features: int = self.values.shape[1]
        return features

    @property
    def uniform(self) -> int | None:
        """The length that all rows share; None where lengths differ or there is no row."""
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
        if self.uniform:  # 50 times as fast for thousands of rows
            return np.arange(0, len(self.values), self.uniform)
        return np.cumsum([0, *self.lengths[:-1]])

    def split(self, values: Floats | None = None) -> list[Floats]:
        """Cut `values` (items, ...) (default: these rows' values) into one array per row."""
        return np.split(self.values if values is None else values, np.cumsum(self.lengths)[:-1])


def all_finite(values: Floats) -> bool:
    """Whether no value is infinite or NaN. The dot product is if any value is, and costs a third of checking each value."""
    flat = values.ravel()
    return isfinite(flat.dot(flat)) or bool(np.isfinite(values).all())
