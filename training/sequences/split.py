"""Which sequences are held out, and whether a held-out row also occurs in training."""

from typing import Final

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Ints

Fingerprints = npt.NDArray[np.uint64]
SPLIT: Final = 0x5911
"""Added to a seed for the split."""
PIECE: Final = 1 << 21
"""Items that are hashed together."""
BLOCKS: Final = 10
"""The largest number of blocks of time in one series."""
_FACTOR: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_FACTOR, -1, 1 << 64)


def blocks_of_time(items: int, length: int) -> Ints:
    """(blocks,): the lengths of the blocks of one series. Each has room for four rows side by side."""
    number = int(np.clip(items // (4 * length), 2, BLOCKS))
    edges = np.linspace(0, items, number + 1).astype(np.int64)
    return np.diff(edges)


def held_out(same: Fingerprints, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """(sequences,): which are held out, at least one. Copies share a fingerprint, so they stay together.

    The seed and the fingerprints give an order, and its first sequences are held out. So an additional sequence moves
    almost none of the others to the other side.
    """
    (salt,) = np.random.default_rng([seed, SPLIT]).integers(1 << 63, size=1, dtype=np.uint64)
    order = _mixed(same ^ salt)
    number = max(1, round(fraction * len(order)))
    first_kept = np.partition(order, number)[number] if number < len(order) else order.max()
    chosen: npt.NDArray[np.bool_] = order < first_kept
    return chosen if chosen.any() else order <= first_kept


def copies(same: Fingerprints) -> int:
    """How many sequences have the fingerprint of an earlier one."""
    in_order = np.sort(same)
    return int(np.count_nonzero(in_order[1:] == in_order[:-1]))


def fingerprints(values: Floats, targets: Floats | None, starts: Ints, lengths: Ints) -> Fingerprints:
    """(rows,): 64 bits of each row's inputs and targets. Equal numbers give equal bits at any place.

    `starts` must ascend. The bits are a polynomial of the mixed items modulo 2^64, computed from prefix sums, so overlapping
    rows cost no more than others. Two different rows share a fingerprint with a chance of 2^-64.
    """
    found = np.empty(len(starts), np.uint64)
    long = lengths > PIECE
    for row in np.flatnonzero(long).tolist():
        found[row] = _of_long(values, targets, int(starts[row]), int(lengths[row]))
    short = np.flatnonzero(~long)
    short_starts = starts[short]
    first = 0
    while first < len(short):
        begin = int(short_starts[first])
        last = int(np.searchsorted(short_starts, begin + PIECE))  # the rows that begin in this piece
        rows = short[first:last]
        here, ends = starts[rows] - begin, starts[rows] + lengths[rows] - begin
        sums, inverses = _sums(values, targets, begin, begin + int(ends.max()))
        found[rows] = _mixed((sums[ends] - sums[here]) * inverses[here] + lengths[rows].astype(np.uint64))
        first = last
    return found


def _of_long(values: Floats, targets: Floats | None, start: int, length: int) -> int:
    pieces = np.arange(0, length, PIECE)
    total = 0
    for part in fingerprints(values, targets, start + pieces, np.minimum(PIECE, length - pieces)).tolist():
        total = (total * _FACTOR + part) % (1 << 64)
    return total


def _sums(values: Floats, targets: Floats | None, begin: int, end: int) -> tuple[Fingerprints, Fingerprints]:
    bits = (values[begin:end] + np.float32(0)).view(np.uint32).astype(np.uint64)  # + 0 makes -0.0 equal to 0.0
    if targets is not None:
        bits |= (targets[begin:end] + np.float32(0)).view(np.uint32).astype(np.uint64) << np.uint64(32)
    powers, inverses = (np.cumprod(np.full(end - begin, factor, np.uint64), dtype=np.uint64) for factor in (_FACTOR, _INVERSE))
    terms = _mixed(bits) * powers
    sums = np.zeros(end - begin + 1, np.uint64)
    np.cumsum(terms, out=sums[1:])
    return sums, inverses


def _mixed(bits: Fingerprints) -> Fingerprints:
    """splitmix64's finaliser: every bit of the result depends on every bit of the argument."""
    bits = (bits + np.uint64(_FACTOR)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Fingerprints = bits ^ (bits >> np.uint64(31))
    return mixed
