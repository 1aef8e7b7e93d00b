"""The fixed shapes that models are compiled for. Arithmetic only.

A compiled call takes exactly one shape, so what comes is padded up to the next one: rows of zeros below, and time on the
right where the topology allows it. Two rules keep every answer the same, to the last bit, whoever shares the batch:

- Rows are computed in tiles of 32. XLA multiplies small matrices in one way and larger ones in another, whose sums differ
  in the last digit; a call of more rows is a loop over as many tiles as have rows, which differs in nothing.
- No call has a single row, which is multiplied in a third way. The exception is a lone row longer than 64 items: the third
  way is three times as fast there, and differs by less than 3e-7.
"""

from bisect import bisect_left
from functools import cache
from typing import Final, NamedTuple

TILE: Final = 32
"""Rows that one matrix product takes."""
ROWS: Final = (2, 8, TILE, 128, 512, 2048, 2**13, 2**15, 2**16)
"""Up to a tile padding costs next to nothing, so steps are wide. Above, only tiles that have rows are computed: what a shape
has too much of is room, which is a copy of a few microseconds."""
TIMES: Final = (8, 16, 32, 64, 128, 256, 512, 1024)
"""For rows of different lengths: few, so that they share calls. Longer rows run alone."""
LONG: Final = 2**13
"""Items of such a row that one call takes, in about 2 ms, the state being carried over to the next; of fewer it computes no
more than these."""
FINE_TIMES: Final = (*range(1, 9), *(eighth * 2**octave for octave in range(7) for eighth in range(9, 17)))
"""For rows of one length: exact up to 16, then eight an octave, so that padding is an eighth at most."""
LONE: Final = 64
"""A row alone in a call, and longer than this, is not padded to two."""
MOST: Final = 2**16
"""Items that one call computes, padding included: about 7 ms, after which others get their turn."""


class Bucket(NamedTuple):
    rows: int
    time: int

    @property
    def tiled(self) -> bool:
        """Whether a call of it is a loop over tiles."""
        return self.rows > TILE

    def computed(self, rows: int) -> int:
        """The items that a call of it computes for so many rows."""
        return min(tiles(rows) * TILE, self.rows) * self.time


def time_bucket(length: int, times: tuple[int, ...] = TIMES) -> int:
    """The shortest time that holds `length` items, up to the longest there is."""
    place = bisect_left(times, length)
    return times[place] if place < len(times) else times[-1]


def tiles(rows: int) -> int:
    """How many tiles are computed for them."""
    return -(-rows // TILE)


@cache
def most_rows(time: int) -> int:
    """How many rows of that time one call may have: whole tiles, or what of one is still in turn."""
    most = MOST // time
    return most // TILE * TILE if most >= TILE else max(rows for rows in ROWS if rows <= max(most, ROWS[0]))


def bucket_for(rows: int, time: int, least: int = ROWS[0]) -> Bucket:
    """The smallest shape for `rows` (at most `most_rows`) of exactly `time`, with no fewer rows than `least`."""
    if rows == 1 and time > LONE:
        return Bucket(1, time)
    return Bucket(ROWS[bisect_left(ROWS, max(rows, least))], time)
