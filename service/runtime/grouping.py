"""Which rows share a call of the model: rows of similar length, so that a call has little padding. Arithmetic only."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from contract.rows import Ints

SPARE: Final = 0.25
"""Most padding of a group, as a share of its items."""
FREE: Final = 128
"""So many items of padding are always allowed: they cost less than another call."""


class Groups(NamedTuple):
    """Rows, longest first, and where to cut them into groups. The first row of a group is its longest."""

    order: Ints  # (rows,)
    bounds: list[int]  # 0, ..., rows

    @property
    def sizes(self) -> list[int]:
        """Rows in each group."""
        return [end - start for start, end in pairwise(self.bounds)]


def needs_groups(lengths: list[int], items: int, longest: int) -> bool:
    """Whether one call for all rows would have too much padding."""
    return len(lengths) * longest - items > max(SPARE * items, FREE)


def group(lengths: list[int]) -> Groups:
    """Greedy: a group takes the next shorter row while its padding stays within SPARE or FREE."""
    every = np.array(lengths)
    order = np.argsort(-every, kind="stable")
    ordered = every[order]
    ends = np.cumsum(ordered)  # items up to and including each row
    bounds = [0]
    while (start := bounds[-1]) < len(ordered):
        before = ends[start - 1] if start else 0
        items = ends[start:] - before
        padding = ordered[start] * np.arange(1, len(items) + 1) - items  # if the group ended here; it never decreases
        bounds.append(start + int(np.searchsorted(padding > np.maximum(SPARE * items, FREE), True)))
    return Groups(order, bounds)
