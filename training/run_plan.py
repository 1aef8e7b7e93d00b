"""What a run is to do, settled to the last value and written down, so that another process can do it, to the same weights."""

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from contract.topologies import TopologyName
from training.recipes import RECIPES, Plan, plan

_SETTLED_ELSEWHERE = {"name", "about", "alias", "units", "steps"}
"""Of a recipe: words, and what the plan settles under a name of its own."""


class NoRun(Exception):
    """No record can be had or gone on with; the message says why."""


class RunPlan(BaseModel):
    """Everything that it takes to do the run again, to the same weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str = Field(description="What the run's model is published as.")
    topology: TopologyName
    length: int
    recipe: str
    recipe_values: dict[str, JsonValue] = Field(description="The recipe's values for this topology and length.")
    units: int
    steps: int
    seed: int
    data_hash: str | None = Field(default=None, description="SHA-256 of the file of sequences; null where rows are generated.")
    alias: str
    against_production: bool = Field(default=False, description="Whether the gate compares with the production version too.")
    checkpoint_seconds: float = Field(ge=0, description="From one checkpoint to the next; 0: after every chunk of steps.")
    store: Path
    commit: str = Field(description="Of the code that began the run; '+' after uncommitted changes.")
    created: datetime

    @property
    def id(self) -> str:
        return f"{self.version}-{self.model}"

    def again(self) -> Plan:
        """The plan itself. Raises NoRun where the code's recipe is no longer the one that the run began with."""
        if self.recipe not in RECIPES:
            raise NoRun(f"{self.id} was begun by recipe {self.recipe}, which is no more; there are {', '.join(RECIPES)}")
        settled = plan(RECIPES[self.recipe], self.topology, self.length, self.seed, self.units, self.steps)
        now, then = recipe_values(settled), self.recipe_values
        changed = [f"{name} {now.get(name)}, was {then.get(name)}" for name in now | then if now.get(name) != then.get(name)]
        if changed:
            what = "; ".join(changed)
            raise NoRun(
                f"recipe {self.recipe} has changed since {self.id} began: {what}. Check out {self.commit[:12]}, or train anew"
            )
        return settled


def recipe_values(settled: Plan) -> dict[str, JsonValue]:
    """What the recipe says for this topology and length, as JSON has it."""
    values = {}
    for field in dataclasses.fields(settled.recipe):
        value = getattr(settled.recipe, field.name)
        values[field.name] = value(settled.topology, settled.length) if callable(value) else value
    kept = {name: value for name, value in values.items() if name not in _SETTLED_ELSEWHERE}
    found: dict[str, JsonValue] = json.loads(TypeAdapter(dict[str, Any]).dump_json(kept))
    return found
