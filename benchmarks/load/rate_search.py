"""The search for the highest rate that holds: go up or down by a factor until the outcome changes, then bisect."""

from collections.abc import Callable
from typing import Final, NamedTuple

MOST_STEPS: Final = 40


class Bracket(NamedTuple):
    held: float  # the highest rate that held; 0 when none did
    broke: float  # the lowest rate that broke


def bracket(holds: Callable[[float], bool], start: float, factor: float, precision: float) -> Bracket:
    """Call `holds` with rates until the two rates differ by at most `precision`, a share of the lower one."""
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
