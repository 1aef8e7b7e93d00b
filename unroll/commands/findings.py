"""What a check of `unroll doctor` finds."""

from typing import Final, Literal, NamedTuple, get_args

ROOM: Final = 200 * 2**20
"""Bytes of disk and of memory that a service, or a training run, should find free."""
State = Literal["ok", "warn", "wrong"]
STATES: Final[tuple[State, ...]] = get_args(State)


class Found(NamedTuple):
    name: str
    state: State
    says: str
    hint: str = ""  # what to type, or to do
