"""Groups the lines of a long table by sequence, in any order of lines. Arrow keeps the ids, so ten million fit."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows import Ints


class Grouped(NamedTuple):
    names: Any  # (sequences,): Arrow text, in the order of their first lines
    lengths: Ints  # (sequences,)
    rows: Ints  # (sequences,): of the first item, from 0
    order: Ints | None  # (items,): the line of each item in order of sequences; None: the lines are in order


class Runs:
    """Runs of neighbouring lines with the same id, taken block by block."""

    def __init__(self) -> None:
        self._ids: list[Any] = []  # Arrow text: an id per run, one array per block
        self._starts: list[Ints] = []
        self._items = 0

    def add(self, ids: Any) -> Ints:
        """Take the ids of a block's lines. Returns the places of ids that are empty or NaN in the block."""
        text = pc.cast(ids, pa.large_string())
        changes = pc.not_equal(text.slice(1), text.slice(0, len(text) - 1))
        starts = np.concatenate([[0], np.flatnonzero(pc.fill_null(changes, True).to_numpy(zero_copy_only=False)) + 1])
        self._ids.append(text.take(pa.array(starts)))
        self._starts.append(starts + self._items)
        self._items += len(text)
        empty = pc.is_in(pc.utf8_trim_whitespace(text), pa.array([None, "", "nan", "NaN"], pa.large_string()))
        return np.flatnonzero(empty.to_numpy(zero_copy_only=False))

    def grouped(self) -> Grouped:
        """All lines of an id, in their order, as one sequence."""
        coded = pa.concat_arrays(self._ids).dictionary_encode(
            "encode"
        )  # a run across the end of a block becomes two of the same id
        codes = coded.indices.to_numpy()
        starts = np.concatenate(self._starts)
        lengths = np.diff(starts, append=self._items)
        of_sequence = np.bincount(codes, weights=lengths).astype(np.int64)
        first = np.unique(codes, return_index=True)[1]
        if (np.diff(codes) >= 0).all():
            return Grouped(coded.dictionary, of_sequence, starts[first], None)
        by_id = np.argsort(codes, kind="stable")
        moved, taken = starts[by_id], lengths[by_id]
        order = np.repeat(moved - (np.cumsum(taken) - taken), taken) + np.arange(self._items)
        return Grouped(coded.dictionary, of_sequence, starts[first], order)
