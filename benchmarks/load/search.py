"""The highest rate that still holds: up (or down) by a factor until the answer changes, then halving the interval."""

from collections.abc import Callable
from typing import Final, NamedTuple

MOST_STEPS: Final = 40


class Bracket(NamedTuple):
    held: float  # the highest rate that held; 0 when none did
    broke: float  # the lowest rate that did not


def bracket(holds: Callable[[float], bool], start: float, factor: float, precision: float) -> Bracket:
    """`holds` of a rate is asked until the two rates are no further apart than `precision`, a share of the lower one."""
    held, broke = 0.0, float("inf")
    rate = start
    for _ in range(MOST_STEPS):
        if holds(rate):
            held = rate
        else:
            broke = rate
        if broke == float("inf"):
            rate = held * factor
        elif held == 0.0:
            rate = broke / factor
        elif broke <= held * (1 + precision):
            break
        else:
            rate = (held * broke) ** 0.5
    return Bracket(held, broke)
