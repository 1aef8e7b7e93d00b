"""Options that several commands of training share."""

import os
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from contract.store import ModelStore
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from training.recipes import GENERAL, RECIPES, Plan, plan
from training.runs import RUNS

LENGTH = 5
"""Of the tutorial's sequence."""
CHECKPOINT_SECONDS = 2.0
"""A checkpoint takes a few milliseconds."""
SEEDS = click.IntRange(0, 2**31 - 1)


class Asked(NamedTuple):
    """What is to be trained, but for the seed."""

    topologies: tuple[TopologyName, ...]
    recipe: str
    length: int
    units: int | None
    steps: int | None

    def plans(self, seed: int) -> list[Plan]:
        recipe = RECIPES[self.recipe]
        return [plan(recipe, name, self.length, seed, self.units, self.steps) for name in self.topologies or TOPOLOGY_NAMES]


_ASKED = (
    click.option(
        "--topology", "topologies", type=click.Choice(TOPOLOGY_NAMES), multiple=True, help="Repeatable. Default: all."
    ),
    click.option("--recipe", type=click.Choice(list(RECIPES)), default=GENERAL.name, show_default=True, help="How to teach."),
    click.option("--length", type=click.IntRange(1, 1000), default=LENGTH, show_default=True, help="Items in a taught row."),
    click.option("--units", type=click.IntRange(1, 1024), help="LSTM cells. Default: the recipe's choice for the length."),
    click.option("--steps", "--epochs", type=click.IntRange(1), help="Optimiser steps; one of the tutorial's is one epoch."),
)
in_runs = click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where records are.")
checkpoint_seconds = click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(0),
    default=CHECKPOINT_SECONDS,
    show_default=True,
    help="The most training that a kill may cost; 0: after every chunk of steps.",
)


def asked(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a plan, given to the command as one argument `asked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        plan_options = Asked(**{name: given.pop(name) for name in Asked._fields})
        return command(asked=plan_options, **given)

    for option in reversed(_ASKED):
        gathered = option(gathered)
    return gathered


def alias(given: str | None) -> str | None:
    if given is not None and not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", given):
        raise click.BadParameter("an alias is a lower-case word such as production or candidate")
    return given


def store() -> ModelStore:
    """$BENTOML_HOME/models."""
    return ModelStore(Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / "models")
