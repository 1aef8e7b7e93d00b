"""Options that several commands of training share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from contract.aliases import check_name
from contract.store import ModelStore
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from training import environment
from training.commands.data import DATA_OPTIONS, FILE, load, source_values
from training.commands.number_range import NumberRange
from training.recipes import GENERAL, RECIPES, Plan, plan
from training.runs.record import RUNS
from training.sequences.dataset import Source

LENGTH = 5
"""Of the tutorial's sequence."""
CHECKPOINT_SECONDS = 2.0
"""A checkpoint takes a few milliseconds."""
SEEDS = click.IntRange(0, 2**31 - 1)


class Asked(NamedTuple):
    """What is to be trained, but for the seed."""

    topologies: tuple[TopologyName, ...]
    recipe: str
    length: int | None
    units: int | None
    steps: int | None
    source: Source | None

    def plans(self, seed: int) -> list[Plan]:
        """Where data is refused, its faults are printed and the exit code is 1."""
        recipe, names, data = RECIPES[self.recipe], self.topologies or TOPOLOGY_NAMES, None
        if self.source is not None:
            if recipe is not GENERAL:
                raise click.UsageError(f"--data goes with recipe {GENERAL.name}; {recipe.name} has a sequence of its own")
            data = load(self.source)
        length = (self.length or LENGTH) if data is None else data.facts.length
        return [plan(recipe, name, length, seed, self.units, self.steps, data) for name in names]


_ASKED = (
    click.option(
        "--topology", "topologies", type=click.Choice(TOPOLOGY_NAMES), multiple=True, help="Repeatable. Default: all."
    ),
    click.option("--recipe", type=click.Choice(list(RECIPES)), default=GENERAL.name, show_default=True, help="How to teach."),
    click.option(
        "--length", type=click.IntRange(1, 1000), help=f"Items in a taught row. Default: {LENGTH}; with --data its sequences'."
    ),
    click.option("--units", type=click.IntRange(1, 1024), help="LSTM cells. Default: the recipe's choice for the length."),
    click.option("--steps", "--epochs", type=click.IntRange(1), help="Optimiser steps; one of the tutorial's is one epoch."),
    click.option("--data", "file", type=FILE, help="Teach your own sequences: CSV, Parquet, NPZ; - is CSV on standard input."),
    *DATA_OPTIONS,
)
in_runs = click.option("--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Where records are.")
checkpoint_seconds = click.option(
    "--checkpoint-seconds",
    type=NumberRange(0),
    default=CHECKPOINT_SECONDS,
    show_default=True,
    help="The most training that a kill may cost; 0: after every chunk of steps.",
)


def asked(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a plan, given to the command as one argument `asked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        file, how = given.pop("file"), source_values(given)
        source = None if file is None else Source(file, length=given["length"], **how)
        plan_options = Asked(**{name: given.pop(name) for name in Asked._fields if name != "source"}, source=source)
        return command(asked=plan_options, **given)

    for option in reversed(_ASKED):
        gathered = option(gathered)
    return gathered


def alias(given: str | None) -> str | None:
    try:
        return given if given is None else check_name(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def store() -> ModelStore:
    """$BENTOML_HOME/models."""
    return ModelStore((environment.bentoml_home() or Path.home() / "bentoml") / "models")
