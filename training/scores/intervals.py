"""How certain a metric is: the percentile bootstrap over rows (Efron 1979), or over blocks of rows that depend on each other.

Overlapping rows repeat the same steps, and the errors of a series depend on their neighbours in time. Rows that are drawn one
by one would then seem more certain than they are. So such rows are drawn in blocks of neighbours: the circular block
bootstrap (Politis and Romano 1992).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from contract.rows import Ints
from training.scores.metrics import Doubles

RESAMPLES: Final = 1_000
TOGETHER: Final = 50
"""Samples that are drawn at once."""
LEVEL: Final = 0.95
MANY: Final = 30
"""So many groups of overlapping rows are drawn one by one; a few long rows are cut into so many pieces."""
FEW: Final = 10
"""Fewer rows than this are cut into pieces, where each step has an answer."""
RESAMPLING: Final = 0xB007
"""Added to a seed for the samples."""


class Units(NamedTuple):
    """What is drawn: a row, a group of overlapping rows, or a piece of a row."""

    of_answers: Ints  # (answers,): the number of each answer's unit, ascending from 0 without gaps
    number: int
    block: int  # neighbours that are drawn together


def units_of(begins: Ints, ends: Ints, per_step: Ints | None, in_time: bool) -> Units:
    """The units of rows in the order of `begins`, where the answer to a row depends on the places from its begin to its end.

    `per_step`: the number of answers of each row; None: one. `in_time`: neighbours depend on each other.
    """
    rows = len(begins)
    groups = np.cumsum(np.concatenate([[False], begins[1:] >= np.maximum.accumulate(ends)[:-1]]))
    if groups[-1] + 1 >= MANY:  # also where no rows overlap
        unit, number, block = groups, int(groups[-1]) + 1, 1
    else:
        unit, number = np.arange(rows), rows
        overlapping = int((np.searchsorted(begins, ends) - unit).max())  # rows that begin before this one ends
        block = 1 if overlapping == 1 else 2 * overlapping  # the errors of one block hardly depend on the next
    answers = unit if per_step is None else np.repeat(unit, per_step)
    if per_step is not None and number < FEW and block == 1:
        answers = _pieces(per_step)
        number = int(answers[-1]) + 1
    if in_time:
        block = max(block, round(number ** (1 / 3)))
    return Units(answers, number, max(1, min(block, number // 3)))  # two blocks would always be nearly the whole


def _pieces(lengths: Ints) -> Ints:
    """(steps,): the number of each step's piece. All rows together have about MANY pieces."""
    size = max(1, -(-int(lengths.sum()) // MANY))
    pieces = -(-lengths // size)  # of each row
    local = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    numbers: Ints = np.repeat(np.cumsum(pieces) - pieces, lengths) + local // size
    return numbers


def resampled(units: Units, seed: int) -> Iterator[Doubles]:
    """(TOGETHER, units.number) each: how often every unit occurs in each sample. RESAMPLES samples in all."""
    rng = np.random.default_rng([seed, RESAMPLING])
    number, block = units.number, units.block
    for _ in range(RESAMPLES // TOGETHER):
        first = rng.integers(number, size=(TOGETHER, -(-number // block)))
        counts = np.stack([np.bincount(each, minlength=number) for each in first])
        # A unit occurs once for each block that begins at it, or at most block - 1 units before. The last one has the first
        # as its neighbour.
        wrapped = np.concatenate([counts[:, number - block + 1 :], counts], axis=1)
        sums = np.pad(np.cumsum(wrapped, axis=1), ((0, 0), (1, 0)))
        yield (sums[:, block:] - sums[:, :-block]).astype(np.float64)


def interval(values: Doubles) -> tuple[float, float]:
    """The ends of the middle 95 % of the samples' values, without samples that have none, such as r2 of equal targets."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.nan, np.nan
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(finite, [tail, 1 - tail]).tolist()
    return low, high
