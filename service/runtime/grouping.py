"""Which rows share a call of the model: those of about one length, so that little of it is padding. Arithmetic only."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from contract.topologies import Ints

SPARE: Final = 0.25
"""Padding that a group may have, in parts of its items."""
FREE: Final = 128
"""Items of padding that cost less than another call."""


class Groups(NamedTuple):
    """Rows, longest first, and where to cut them into groups. A group's time is that of its first row."""

    order: Ints  # (rows,)
    bounds: list[int]  # 0, ..., rows

    @property
    def sizes(self) -> list[int]:
        """Rows in each group."""
        return [end - start for start, end in pairwise(self.bounds)]


def needs_groups(lengths: list[int], items: int, longest: int) -> bool:
    """Whether all rows in one call would be more padding than they should be."""
    return len(lengths) * longest - items > max(SPARE * items, FREE)


def group(lengths: list[int]) -> Groups:
    """Greedy: a group takes the next shorter row as long as its padding stays within SPARE, or FREE."""
    every = np.array(lengths)
    order = np.argsort(-every, kind="stable")
    ordered = every[order]
    ends = np.cumsum(ordered)  # items up to and with each row
    bounds = [0]
    while (start := bounds[-1]) < len(ordered):
        before = ends[start - 1] if start else 0
        items = ends[start:] - before
        padding = ordered[start] * np.arange(1, len(items) + 1) - items  # if the group ended here; never falls
        bounds.append(start + int(np.searchsorted(padding > np.maximum(SPARE * items, FREE), True)))
    return Groups(order, bounds)
