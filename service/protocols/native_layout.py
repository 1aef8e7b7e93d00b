"""Finds, from brackets and commas alone, how many numbers the lists in rows of numbers, or of steps, have.

Reading lists of numbers takes several times as long as reading the same numbers end to end.
"""

from bisect import bisect_right
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from contract.rows import Ints


class Layout(NamedTuple):
    lengths: list[int]  # of each row: its numbers, or its steps
    widths: list[int] | None  # of each step: its numbers; None: rows of numbers

    @property
    def numbers(self) -> int:
        return sum(self.lengths if self.widths is None else self.widths)

    def path(self, number: int) -> str:
        """Where one of the numbers is, end to end."""
        if self.widths is None:
            return self.path_of_step(number)
        step, place = _place(self.widths, number)
        return f"{self.path_of_step(step)}[{place}]"

    def path_of_step(self, step: int) -> str:
        """Where a step, or a number in rows of numbers, is."""
        return "sequences[{}][{}]".format(*_place(self.lengths, step))


def find_layout(content: bytes, deep: bool, end: int = -1) -> Layout | None:
    """The layout, where `content` is rows of numbers, or, if `deep`, of steps; an empty list of numbers counts as one number.

    None: it is something else. If `end` is given, `content` ends there, within the innermost list.
    """
    marks = np.frombuffer(content, np.uint8, end)
    commas, opens, closes = (np.flatnonzero(marks == ord(mark)) for mark in ",[]")
    if end >= 0:
        closes = np.append(closes, [end] * (2 + deep))
    return _steps(commas, opens, closes) if deep else _numbers(commas, opens[1:], closes[:-1])


def count_rows(content: bytes, deep: bool) -> int:
    """How many rows `content` has, at most: the number of lists in the outermost."""
    if not deep:
        return content.count(b"[") - 1
    marks = np.frombuffer(content, np.uint8)
    opens, closes = (np.flatnonzero(marks == ord(mark)) for mark in "[]")
    return int(np.count_nonzero(_depths(opens, closes) == 2))


def _numbers(commas: Ints, opens: Ints, closes: Ints) -> Layout | None:
    """Rows of numbers, from the places of the marks. `opens` and `closes` are those of the rows."""
    if len(opens) != len(closes) or not len(opens) or (closes < opens).any() or (opens[1:] < closes[:-1]).any():
        return None
    lengths = np.searchsorted(commas, closes) - np.searchsorted(commas, opens) + 1
    return Layout(lengths.tolist(), None) if lengths.sum() == len(commas) + 1 else None  # else there are numbers between rows


def _steps(commas: Ints, opens: Ints, closes: Ints) -> Layout | None:
    depths = _depths(opens, closes)
    if len(opens) != len(closes) or not len(opens) or depths.max() != 3:
        return None
    closing = np.searchsorted(opens, closes) - np.arange(len(closes))  # the depth of the list that each of `closes` ends
    steps = opens[depths == 3]
    layout = _numbers(commas, steps, closes[closing == 3])
    if layout is None:
        return None
    bounds = np.append(np.searchsorted(steps, opens[depths == 2]), len(steps))
    return Layout(np.diff(bounds).tolist(), layout.lengths)


def _depths(opens: Ints, closes: Ints) -> Any:
    """(opens,): how many lists are open after each of `opens`."""
    return np.arange(1, len(opens) + 1) - np.searchsorted(closes, opens)


def _place(counts: list[int], number: int) -> tuple[int, int]:
    """The list, and the place in it, of one of the numbers in lists of these counts, end to end."""
    ends = [*accumulate(counts)]
    group = bisect_right(ends, number)
    return group, number - ends[group] + counts[group]
