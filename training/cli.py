"""The command line of training: `python -m training run`."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from contract.store import ModelStore
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from training.cli_data import FILE, data, data_options, load
from training.dataset import Source
from training.recipes import GENERAL, RECIPES, plan

LENGTH = 5
"""Of the tutorial's sequence."""
SEED = 26
"""Of 0 to 39, the one whose tutorial models round to the right decimals by the widest margin after the tutorial's epochs:
seven do for all three topologies, many_to_many being the one that often wants more."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Train LSTM models on sequences; publish those that pass the gate."""


@cli.command()
@click.option("--topology", "topologies", type=click.Choice(TOPOLOGY_NAMES), multiple=True, help="Repeatable. Default: all.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default=GENERAL.name, show_default=True, help="How to teach.")
@click.option(
    "--length", type=click.IntRange(1, 1000), help=f"Items in a taught row. Default: {LENGTH}; of --data, its sequences'."
)
@click.option("--units", type=click.IntRange(1, 1024), help="LSTM cells. Default: the recipe's choice for the length.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=SEED, show_default=True, help="Of weights and rows.")
@click.option("--steps", "--epochs", type=click.IntRange(1), help="Optimiser steps; one of the tutorial's is one epoch.")
@click.option(
    "--alias",
    callback=lambda *given: _alias(given[-1]),
    help="Name for the published version. Default: the recipe's (general: production); of --data: candidate.",
)
@click.option("--data", "file", type=FILE, help="Teach your own sequences: CSV, Parquet, NPZ; - is CSV on standard input.")
@data_options
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where records go.")
@click.option("--if-missing", is_flag=True, help="Train only what the store has not under that alias.")
def run(  # noqa: PLR0913, PLR0917 - a command's options
    topologies: tuple[TopologyName, ...],
    recipe: str,
    length: int | None,
    units: int | None,
    seed: int,
    steps: int | None,
    alias: str | None,
    runs: Path,
    if_missing: bool,
    file: str | None,
    how: dict[str, Any],
) -> None:
    """Train, gate and publish.

    Exit code 0: all published; 1: the gate refused one, or the data has faults; 2: usage.

    The store is $BENTOML_HOME/models (default ~/bentoml/models).
    """
    store = ModelStore(Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / "models")
    dataset = None
    if file is not None:
        if recipe != GENERAL.name:
            raise click.UsageError(
                f"--data goes with the recipe {GENERAL.name}; received {recipe}, which has a sequence of its own"
            )
        dataset = load(Source(file, length=length, seed=seed, **how))
        length = dataset.facts.length
    length, names = length or LENGTH, topologies or TOPOLOGY_NAMES
    plans = [plan(RECIPES[recipe], name, length, seed, units, steps, dataset) for name in names]
    if if_missing:
        plans = [wanted for wanted in plans if (alias or wanted.recipe.alias) not in store.readable_aliases(wanted.name)]
    if plans:
        # Only now: TensorFlow takes three seconds to import, which `--help` and `--if-missing` need not wait for.
        from training.job import train_all  # noqa: PLC0415

        sys.exit(train_all(plans, store, alias, runs))


cli.add_command(data)


def _alias(given: str | None) -> str | None:
    if given is not None and not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", given):
        raise click.BadParameter("an alias is a lower-case word such as production or candidate")
    return given


def main() -> None:
    cli(prog_name="python -m training")
