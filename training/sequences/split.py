"""Which sequences are held out, and whether a held-out row was taught all the same."""

from typing import Final

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Ints

Fingerprints = npt.NDArray[np.uint64]
SPLIT: Final = 0x5911
"""Added to a seed for the split."""
PIECE: Final = 1 << 21
"""Items that are looked at together."""
BLOCKS: Final = 10
"""Most blocks of time that one series is cut into."""
_FACTOR: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_FACTOR, -1, 1 << 64)


def blocks_of_time(items: int, length: int) -> Ints:
    """(blocks,): the lengths of blocks into which one series is cut, each with room for four rows beside each other."""
    number = int(np.clip(items // (4 * length), 2, BLOCKS))
    edges = np.linspace(0, items, number + 1).astype(np.int64)
    return np.diff(edges)


def held_out(same: Fingerprints, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """(sequences,): which are held out, at least one of them. Copies, which share a fingerprint, go together.

    The seed and the fingerprints put all sequences in an order, of which the first are held out: so one more sequence
    moves next to none of the others over.
    """
    (salt,) = np.random.default_rng([seed, SPLIT]).integers(1 << 63, size=1, dtype=np.uint64)
    order = _mixed(same ^ salt)
    number = max(1, round(fraction * len(order)))
    first_kept = np.partition(order, number)[number] if number < len(order) else order.max()
    chosen: npt.NDArray[np.bool_] = order < first_kept
    return chosen if chosen.any() else order <= first_kept


def copies(same: Fingerprints) -> int:
    """How many have the fingerprint of another before them."""
    in_order = np.sort(same)
    return int(np.count_nonzero(in_order[1:] == in_order[:-1]))


def fingerprints(values: Floats, targets: Floats | None, starts: Ints, lengths: Ints) -> Fingerprints:
    """(rows,): 64 bits of each row's inputs and targets, the same for the same numbers wherever they stand.

    `starts` ascend. A polynomial of the mixed items modulo 2^64, by sums from the beginning of a piece, so that rows that
    overlap cost no more than others. Two rows that differ share one with a chance of 2^-64.
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
        last = int(np.searchsorted(short_starts, begin + PIECE))  # as many rows as begin in this piece
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
    bits = (values[begin:end] + np.float32(0)).view(np.uint32).astype(np.uint64)  # + 0: -0.0 and 0.0 are the same
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
