"""What the load test knows of a served model, from its card: `GET /models/{name}`."""

from typing import Literal

from pydantic import BaseModel, Field

from contract.manifest import DataFacts, GoldenPair, Quantity, Steps, Task
from contract.topologies import TOPOLOGIES, TopologyName, parse_echo_name

Layout = Literal["numbers", "steps", "outputs", "class", "label"]
"""numbers: a number for each step. steps: a list for each step. outputs: a list for each row. class: the class of each row.
label: the class of each step."""


class Model(BaseModel):
    """A model under test, and the version that answered when the test began: the card's fields that a load test needs."""

    name: str
    version: str
    topology: TopologyName
    task: Task
    features: list[Quantity]
    classes: list[str]
    length: int
    any_length: bool
    highest_length: int
    data: DataFacts | None = None
    golden: list[GoldenPair] = Field(min_length=1)
    golden_tolerance: float
    alone: list[Steps] = []  # the answer to each drawn row asked alone: (steps, K) or (1, K); empty for an echo

    @property
    def echo(self) -> bool:
        return self.task == "echo"

    @property
    def per_step(self) -> bool:
        """Whether an answer has K numbers for each step; otherwise for each row."""
        return TOPOLOGIES[self.topology].per_step

    @property
    def outputs(self) -> int:
        """K: numbers in the answer to a step, or to a row."""
        return len(self.golden[0].output[0])

    @property
    def path(self) -> str:
        """The route of its predictions. Only the models with an echo's name have routes of their topology."""
        return f"/{self.topology}" if parse_echo_name(self.name) else f"/models/{self.name}/predict"

    @property
    def layout(self) -> Layout:
        """How its answers are laid out."""
        if self.classes:
            return "label" if self.per_step else "class"
        if self.per_step:
            return "steps" if self.outputs > 1 else "numbers"
        return "numbers" if self.echo else "outputs"


class Models(BaseModel):
    """The file that `python -m loadtests` writes and Locust's process reads."""

    seed: int  # of the drawn rows that `alone` answers
    models: list[Model]
