"""How many users there are when: the load shapes as a table. No Locust in here, so the table can be read anywhere."""

from dataclasses import dataclass, replace
from typing import Final

from contract.topologies import TOPOLOGY_NAMES

LEAST_USERS: Final = len(TOPOLOGY_NAMES)
"""Fewer and a topology would go without a user, so nobody would notice that it is broken."""

FASTEST: Final = 100.0
"""Users a second; faster than that, Locust warns, its own start-up takes the time that it then measures."""


@dataclass(frozen=True)
class Stage:
    """`seconds` long, with `users` at work; the difference to the stage before comes or goes at `spawn_rate` users a second."""

    seconds: float
    users: int
    spawn_rate: float


@dataclass(frozen=True)
class Shape:
    """Stages one after the other.

    Users are closed-loop clients: each waits for its answer, thinks between 0 and twice `think` seconds, and asks again.
    A service that slows down is therefore asked less, as by real clients with one connection each; what it can do at most
    shows where more users bring no more requests.
    """

    why: str
    think: float
    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def peak(self) -> int:
        """The most users of any stage."""
        return max(stage.users for stage in self.stages)

    def stage_at(self, elapsed: float) -> Stage | None:
        """The stage `elapsed` seconds after the start; None when the shape is over."""
        for stage in self.stages:
            if elapsed < stage.seconds:
                return stage
            elapsed -= stage.seconds
        return None

    def scaled(self, peak: int = 0, seconds: float = 0.0) -> "Shape":
        """The same shape with another peak, another length, or both; 0 leaves it as it is."""
        height = peak / self.peak if peak else 1.0
        length = seconds / self.seconds if seconds else 1.0
        stages = tuple(
            Stage(
                s.seconds * length,
                max(LEAST_USERS, round(s.users * height)),
                min(FASTEST, max(1.0, s.spawn_rate * height / length)),
            )
            for s in self.stages
        )
        return replace(self, stages=stages)


SHAPES: Final[dict[str, Shape]] = {
    "smoke": Shape(
        why="Does every topology answer right while others ask too? Short enough for every change.",
        think=0.01,
        stages=(Stage(2, 3, 3), Stage(8, 12, 12)),
    ),
    "ramp": Shape(
        why="Where does more load stop bringing more answers? No thinking, twice the users every 20 seconds.",
        think=0.0,
        stages=tuple(Stage(20, users, min(users, FASTEST)) for users in (5, 10, 20, 40, 80, 160)),
    ),
    "spike": Shape(
        why="Twenty times the users in two seconds, then calm again: is anything answered wrong or refused, does it recover?",
        think=0.02,
        stages=(Stage(20, 10, 10), Stage(10, 200, 100), Stage(30, 10, 100)),
    ),
    "soak": Shape(
        why="Half an hour of steady traffic: what leaks, fills up or drifts shows here only.",
        think=0.05,
        stages=(Stage(1800, 20, 2),),
    ),
}
