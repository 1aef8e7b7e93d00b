"""Load shapes: the number of users over time, as a table. This module does not import Locust, so any process can read it."""

from dataclasses import dataclass, replace
from typing import Final

FASTEST: Final = 100.0
"""Users started a second. Beyond it, Locust warns, starting users distorts the measured times."""


@dataclass(frozen=True)
class Stage:
    """`users` for `seconds`. The number changes from that of the stage before by `spawn_rate` users a second."""

    seconds: float
    users: int
    spawn_rate: float


@dataclass(frozen=True)
class Shape:
    """Stages in order.

    Users are closed-loop clients: each waits for its answer, pauses for 0 to twice `think` seconds, and sends the next request.
    A slow service therefore gets fewer requests, as from real clients with one connection each. Its capacity is reached when
    more users bring no more requests.
    """

    why: str
    think: float
    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def peak(self) -> int:
        """The highest number of users."""
        return max(stage.users for stage in self.stages)

    def stage_at(self, elapsed: float) -> Stage | None:
        """The stage at `elapsed` seconds after the start; None after the end."""
        for stage in self.stages:
            if elapsed < stage.seconds:
                return stage
            elapsed -= stage.seconds
        return None

    def scaled(self, peak: int = 0, seconds: float = 0.0, least: int = 1) -> "Shape":
        """The same shape with another peak, another length, or both; 0 leaves it as it is.

        No stage has fewer than `least` users: a model without a user would have no requests, and its faults would not show.
        """
        height = peak / self.peak if peak else 1.0
        length = seconds / self.seconds if seconds else 1.0
        stages = tuple(
            Stage(
                s.seconds * length,
                max(least, round(s.users * height)),
                min(FASTEST, max(1.0, s.spawn_rate * height / length)),
            )
            for s in self.stages
        )
        return replace(self, stages=stages)


SHAPES: Final[dict[str, Shape]] = {
    "smoke": Shape(
        why="Is every model's answer right when requests are mixed? Short enough for every change.",
        think=0.01,
        stages=(Stage(2, 3, 3), Stage(8, 12, 12)),
    ),
    "ramp": Shape(
        why="Where does more load bring no more answers? No pauses, twice the users every 20 seconds.",
        think=0.0,
        stages=tuple(Stage(20, users, min(users, FASTEST)) for users in (5, 10, 20, 40, 80, 160)),
    ),
    "spike": Shape(
        why="Twenty times the users for ten seconds: is any answer wrong or refused, and does the service recover?",
        think=0.02,
        stages=(Stage(20, 10, 10), Stage(10, 200, 100), Stage(30, 10, 100)),
    ),
    "soak": Shape(
        why="Half an hour of steady traffic: leaks, full disks and drift show only here.",
        think=0.05,
        stages=(Stage(1800, 20, 2),),
    ),
}
