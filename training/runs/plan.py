"""The plan of a run: every value that another process needs to reach the same weights."""

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from contract.manifest import DataFacts, Task
from contract.topologies import TopologyName
from training.plan import Chosen, Plan, plan_echo, plan_task
from training.recipes import RECIPES, Recipe
from training.sequences.dataset import Dataset

DATA: Final = "data.npz"
"""The user's own sequences as the run began, in the run's folder; removed when the run has ended."""
_SETTLED_ELSEWHERE = {"name", "about", "alias", *(field.name for field in dataclasses.fields(Chosen))}
"""Fields of a recipe that only describe it, or that the plan has under their own names."""


class NoRun(Exception):
    """A run cannot be found, read or continued. The message says why."""


class RunPlan(BaseModel):
    """Everything that repeating the run to the same weights needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str = Field(description="The version that the run publishes.")
    topology: TopologyName
    task: Task
    length: int
    recipe: str
    recipe_values: dict[str, JsonValue] = Field(description="The recipe's values for this topology and length.")
    chosen: Chosen = Field(description="Every value that an option can choose, as it was settled.")
    seed: int
    data: DataFacts | None = Field(default=None, description="The user's own sequences; null: rows are generated.")
    alias: str
    against_production: bool = Field(default=False, description="Whether the gate also compares with the production version.")
    checkpoint_seconds: float = Field(
        ge=0, description="Seconds from one checkpoint to the next; 0: after every chunk of steps."
    )
    store: Path
    commit: str = Field(description="Commit of the code that began the run; '+' after uncommitted changes.")
    created: datetime

    @property
    def steps(self) -> int:
        return self.chosen.steps or 0  # `settled_values` always sets it

    @property
    def id(self) -> str:
        return f"{self.version}-{self.model}"

    def again(self, folder: Path) -> Plan:
        """The `Plan`, with the data in the run's folder. Raises NoRun where the recipe has changed or the data is gone."""
        settled = self._settled(None if self.data is None else self._data(folder))
        now, then = recipe_values(settled), self.recipe_values
        changed = [f"{name} {now.get(name)}, was {then.get(name)}" for name in now | then if now.get(name) != then.get(name)]
        if changed:
            what = "; ".join(changed)
            raise NoRun(
                f"recipe {self.recipe} has changed since {self.id} began: {what}. Check out {self.commit[:12]}, or train anew"
            )
        return settled

    def _settled(self, data: Dataset | None) -> Plan:
        if self.task != "echo" and data is not None:
            return plan_task(data, self.topology, self.model, self.seed, self.chosen)
        if self.recipe not in RECIPES:
            raise NoRun(f"{self.id} began with recipe {self.recipe}, which no longer exists; there are {', '.join(RECIPES)}")
        return plan_echo(RECIPES[self.recipe], self.topology, self.length, self.seed, self.chosen, data, self.model)

    def _data(self, folder: Path) -> Dataset:
        try:
            return Dataset.load(folder / DATA)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise NoRun(f"{self.id} cannot continue: its training data {DATA} cannot be read: {error}") from error


def recipe_values(settled: Plan) -> dict[str, JsonValue]:
    """The recipe's values for this topology and length, as JSON; without those that `chosen` has."""
    values = {}
    for field in dataclasses.fields(settled.recipe):
        value = getattr(settled.recipe, field.name)
        if callable(value) and isinstance(settled.recipe, Recipe):
            value = value(settled.topology, settled.length)
        values[field.name] = value
    kept = {name: value for name, value in values.items() if name not in _SETTLED_ELSEWHERE}
    found: dict[str, JsonValue] = json.loads(TypeAdapter(dict[str, Any]).dump_json(kept))
    return found


def settled_values(plan: Plan) -> Chosen:
    """Every value that an option can choose, as the plan has it."""
    goal = plan.goal
    return Chosen(
        units=plan.network.units,
        layers=plan.network.layers,
        dropout=plan.network.dropout,
        batch=plan.batch,
        steps=plan.steps,
        learning_rate=plan.learning_rate,
        patience=plan.patience,
        class_weights=plan.class_weights,
        scaling=None if plan.scaling is None else plan.scaling.kind,
        metric=None if goal is None else goal.metric,
        bar=None if goal is None else goal.bar,
        beats=() if goal is None else goal.beats,
    )
