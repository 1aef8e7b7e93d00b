"""Which sequences are held out, and whether a held-out row also occurs in training."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Ints

Fingerprints = npt.NDArray[np.uint64]
SPLIT: Final = 0x5911
"""Added to a seed for the split."""
PIECE: Final = 1 << 18
"""Items that are hashed together: they stay in the cache."""
BLOCKS: Final = 10
"""The largest number of blocks of time in one series of an echo."""
BLOCKS_OF_TASKS: Final = 50
"""More, since each side needs every class, and classes come in long runs."""
_KEYS: Final = np.random.default_rng(SPLIT).integers(1, 1 << 63, size=130, dtype=np.uint64) | np.uint64(1)
"""Keys of the hash: one for each level of the tree, then those of items and rows."""


def blocks_of_time(items: int, length: int, most: int = BLOCKS) -> Ints:
    """(blocks,): the lengths of the blocks of one series. Each has room for four rows side by side."""
    number = int(np.clip(items // (4 * length), 2, most))
    edges = np.linspace(0, items, number + 1).astype(np.int64)
    return np.diff(edges)


def held_out(same: Fingerprints, fraction: float, seed: int, classes: Ints | None = None) -> npt.NDArray[np.bool_]:
    """(sequences,): which are held out, at least one. Copies share a fingerprint, so they stay together.

    The seed and the fingerprints give an order, and its first sequences are held out. So an additional sequence moves
    almost none of the others to the other side. With `classes`, (sequences,), that share of each class is held out, at least
    one sequence and not all of them where a class has two or more.
    """
    (salt,) = np.random.default_rng([seed, SPLIT]).integers(1 << 63, size=1, dtype=np.uint64)
    order = _mixed(same ^ salt)
    if classes is None:
        return _first_of(order, fraction)
    chosen = np.zeros(len(order), np.bool_)
    for each in np.unique(classes):
        of_class = classes == each
        if np.count_nonzero(of_class) > 1:
            chosen[of_class] = _first_of(order[of_class], min(fraction, 1 - 1 / np.count_nonzero(of_class)))
    return chosen


def _first_of(order: Fingerprints, fraction: float) -> npt.NDArray[np.bool_]:
    number = max(1, round(fraction * len(order)))
    first_kept = np.partition(order, number)[number] if number < len(order) else order.max()
    chosen: npt.NDArray[np.bool_] = order < first_kept
    return chosen if chosen.any() else order <= first_kept


def copies(same: Fingerprints) -> int:
    """How many sequences have the fingerprint of an earlier one."""
    in_order = np.sort(same)
    return int(np.count_nonzero(in_order[1:] == in_order[:-1]))


def fingerprints(
    steps: Sequence[Floats | Ints], starts: Ints, lengths: Ints, answers: Sequence[Floats | Ints] | None = None
) -> Fingerprints:
    """(rows,): 64 bits of each row. Equal numbers give equal bits at any place.

    `steps` are arrays of the same items, (items,) or (items, columns), and a row is a run of items; `answers` are arrays
    (rows,) or (rows, columns).

    The bits are a tree of keyed mixes: those of 2n items come from those of n items, for all places at once, so overlapping
    rows cost no more than others, and a row takes the largest parts that fit. No step of it is linear: a polynomial modulo 2^64
    cannot tell Thue-Morse's sequence from its complement, of two values, at 1,024 items. Two different rows share a
    fingerprint with a chance of about 2^-64.
    """
    found = _mixed(lengths.astype(np.uint64) ^ _KEYS[128])
    place = starts.copy()
    part = _of_columns(steps, len(steps[0]))  # of 2^level items from each place on
    longest = int(lengths.max()) if len(lengths) else 0
    for level in range(longest.bit_length()):
        taking = np.flatnonzero(lengths & (1 << level))
        found[taking] = _joined(found[taking], part[place[taking]], 2 * level)
        place[taking] += 1 << level
        if longest >> (level + 1):
            _double(part, 1 << level, level)
    return found if answers is None else _joined(found, _of_columns(answers, len(found)), 127)


def _double(part: Fingerprints, half: int, level: int) -> None:
    """From the bits of `half` items from each place on, those of twice as many, in place. Those beyond the end mean nothing."""
    whole = len(part) - half
    for first in range(0, whole, PIECE):  # ascending, so that a later piece still finds what it reads
        last = min(first + PIECE, whole)
        part[first:last] = _joined(part[first:last], part[first + half : last + half], 2 * level + 1)


def _of_columns(arrays: Sequence[Floats | Ints], rows: int) -> Fingerprints:
    """(rows,): bits of each row of the columns side by side."""
    found = np.full(rows, _KEYS[129])
    for array in arrays:
        columns = array[:, None] if array.ndim == 1 else array
        for first in range(0, rows, PIECE):
            for place in range(columns.shape[1]):
                piece = columns[first : first + PIECE, place]
                if piece.dtype == np.float32:
                    bits = (piece + np.float32(0)).view(np.uint32).astype(np.uint64)  # + 0 makes -0.0 equal to 0.0
                else:
                    bits = piece.astype(np.int64).view(np.uint64)
                found[first : first + PIECE] = _joined(found[first : first + PIECE], bits, 126)
    return found


def _joined(first: Fingerprints, second: Fingerprints, key: int) -> Fingerprints:
    """The order counts: joined(a, b) is not joined(b, a)."""
    return _mixed(_mixed(first ^ _KEYS[key]) + second)


def _mixed(bits: Fingerprints) -> Fingerprints:
    """splitmix64's finaliser: every bit of the result depends on every bit of the argument."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits
