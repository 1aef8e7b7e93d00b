"""Cuts sequences into rows: whole, in windows side by side or overlapping, or in windows with a future for a forecast.

Recognises rows that somebody cut before as overlapping windows.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Ints
from training.sequences.dataset import Side, starts_of_rows

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]
PAIRS: Final = 64
"""Neighbouring rows that are compared to find how far one is shifted against the other."""
PIECE: Final = 1 << 22
"""Numbers that are compared at once."""
TRAIN, VALIDATION, HELD_OUT, LEFT_OUT = range(4)
"""The side of a sequence or a row."""


def cut(offsets: Ints, lengths: Ints, length: int | None, stride: int) -> tuple[Ints, Ints, Ints]:
    """(rows,) each: starts, steps, and the number of the sequence. `length` None: sequences are rows."""
    if length is None:
        return offsets.copy(), lengths.copy(), np.arange(len(lengths))
    starts = starts_of_rows(lengths, offsets, length, stride)
    return starts, np.full(len(starts), length), np.repeat(np.arange(len(lengths)), counted(lengths, length, stride))


def counted(lengths: Ints, length: int, stride: int) -> Ints:
    """(sequences,): rows in each."""
    return np.maximum(0, (lengths - length) // stride + 1)


class Horizon(NamedTuple):
    """Where a forecast's row has its targets. Steps count from the row's first."""

    length: int  # steps that the model sees
    first: int  # the first target
    span: int  # the last target + 1

    @classmethod
    def of(cls, length: int, horizon: int, per_step: bool) -> "Horizon":
        """With an answer per step the targets are the steps after each step."""
        return cls(length, 1 if per_step else length, length + (1 if per_step else horizon))


def by_time(
    offsets: Ints,
    lengths: Ints,
    where: Horizon,
    stride: int,
    shares: tuple[float, float],
    official: Mask,
    times: Times | None = None,
) -> tuple[Side, Side, Side]:
    """Train, validation and held-out rows of a forecast.

    The latest `shares[1]` is held out, and before it the latest `shares[0]` of the rest is for validation. With `times`,
    (items,), one time cuts all series, since series of a panel move together; otherwise each is cut by its own steps. A row
    belongs to the time of its targets: they lie within one time, and no target of a later time is an input or a target of an
    earlier row. The inputs of a held-out row may reach back into training time, as they do when the model is used. Series that
    are `official`, (series,), are held out whole, and then no others are.
    """
    held = 0.0 if official.any() else shares[1]
    if times is None:
        held_from = lengths - np.round(held * lengths).astype(np.int64)
        validated_from = held_from - np.round(shares[0] * held_from).astype(np.int64)
    else:
        known = np.sort(times[np.repeat(~official, lengths)])
        held_from, known = _before(known, held, times, offsets, lengths)
        validated_from, _ = _before(known, shares[0], times, offsets, lengths)
    later = lengths - held_from
    train_ends = np.where(official, 0, validated_from)
    first_held = np.where(official, 0, np.maximum(0, held_from - where.first))
    first_held = np.where((later == 0) & ~official, lengths, first_held)
    first_validated = np.where(official, lengths, np.maximum(0, validated_from - where.first))

    def side(begin: Ints, end: Ints) -> Side:
        starts = starts_of_rows(np.maximum(0, end - begin), offsets + begin, where.span, stride)
        return Side(starts, np.full(len(starts), where.length), starts + where.length)

    return side(np.zeros_like(lengths), train_ends), side(first_validated, held_from), side(first_held, lengths)


def _before(known: Times, share: float, times: Times, offsets: Ints, lengths: Ints) -> tuple[Ints, Times]:
    """(series,): the steps of each before the time that leaves `share` of the `known` times after it; and the times before."""
    number = len(known) - round(share * len(known))
    if number == len(known):
        return lengths.copy(), known
    earlier = np.concatenate([[0], np.cumsum(times < known[number])])
    steps: Ints = earlier[offsets + lengths] - earlier[offsets]
    return steps, known[known < known[number]]


def overlapping(rows: Floats) -> tuple[int, Mask] | None:
    """How many steps neighbours are apart, and which rows, (rows - 1,), go on in the next: row i + 1 is row i, so many steps
    later. None: neighbours do not overlap. `rows` are (rows, time, F)."""
    number, time = rows.shape[:2]
    if number < 4 or time < 2:
        return None
    pairs = np.unique(np.linspace(0, number - 2, PAIRS).astype(np.int64))
    now, after = rows[pairs], rows[pairs + 1]
    changing: Mask = (now != now[:, :1]).any(axis=(1, 2))
    fewest = 0.9 * max(1, int(changing.sum()))
    for shift in range(1, time):
        alike = (after[:, 0] == now[:, shift]).all(axis=1)
        if np.count_nonzero(alike & changing) < fewest:
            continue
        alike = (after[:, : time - shift] == now[:, shift:]).all(axis=(1, 2)) & changing
        if np.count_nonzero(alike) >= fewest and _means_something(now[:, shift:], alike):
            return shift, _linked(rows, shift)
    return None


def _means_something(shared: Floats, alike: Mask) -> bool:
    """Steps that are shared by chance, such as zeros at the ends of rows, are no overlap."""
    some = shared[alike].reshape(int(alike.sum()), -1)
    return len(np.unique(some, axis=0)) > len(some) / 2


def _linked(rows: Floats, shift: int) -> Mask:
    linked = np.empty(len(rows) - 1, np.bool_)
    piece = max(1, PIECE // rows[0].size)
    for first in range(0, len(linked), piece):
        last = min(first + piece, len(linked))
        linked[first:last] = (rows[first + 1 : last + 1, :-shift] == rows[first:last, shift:]).all(axis=(1, 2))
    return linked


def blocks_with_gaps(rows: int, gap: int, shares: tuple[float, float], order: npt.NDArray[np.float64]) -> Ints:
    """(rows,): the side of each of overlapping rows. Whole blocks of time are on a side; `gap` rows before a change of sides
    are left out, so that no step is on both sides.

    `order` has a random number for each of at least ten blocks. Where there are too few rows for ten, the sides follow
    one another: train, validation, held out.
    """
    blocks = len(order)
    if rows >= 4 * gap * blocks:
        chosen = np.argsort(order)
        held = max(1, round(shares[1] * blocks))
        validated = min(blocks - held - 1, max(1, round(shares[0] * (blocks - held)))) if shares[0] else 0
        of_block = np.full(blocks, TRAIN)
        of_block[chosen[:held]], of_block[chosen[held : held + validated]] = HELD_OUT, VALIDATION
        edges = np.linspace(0, rows, blocks + 1).astype(np.int64)
    else:
        held_from = rows - round(shares[1] * rows)
        edges = np.array([0, held_from - round(shares[0] * held_from), held_from, rows])
        of_block = np.array([TRAIN, VALIDATION, HELD_OUT])
    sides = np.repeat(of_block, np.diff(edges))
    changes = np.flatnonzero(np.diff(sides)) + 1  # the first rows of another side
    for change in changes.tolist():
        sides[max(0, change - gap) : change] = LEFT_OUT
    return sides
