"""The command line of training: `python -m training run`."""

from pathlib import Path

import click

from contract.store import ModelStore
from training.commands import options, store
from training.commands.data import data
from training.commands.runs import heavy_imports, resume, retrain, runs

SEED = 26
"""Of 0 to 39, the one whose tutorial models round to the right decimals by the widest margin after the tutorial's epochs:
seven do for all three topologies, many_to_many being the one that often wants more."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Train LSTM models on sequences; publish those that pass the gate."""


@cli.command()
@options.asked
@click.option("--seed", type=options.SEEDS, default=SEED, show_default=True, help="Of weights and rows.")
@click.option(
    "--alias",
    callback=lambda *given: options.alias(given[-1]),
    help="Name for the published version. Default: the recipe's (general: production; with --data: candidate).",
)
@options.in_runs
@options.checkpoint_seconds
@click.option("--if-missing", is_flag=True, help="Train only what the store has not under that alias.")
def run(asked: options.Asked, seed: int, alias: str | None, runs: Path, checkpoint_seconds: float, if_missing: bool) -> None:
    """Train, gate and publish.

    Exit code 0: all published; 1: the gate refused one, or something could not be written; 2: usage; 130: Ctrl-C.

    The store is $BENTOML_HOME/models (default ~/bentoml/models).
    """
    store, plans = options.store(), asked.plans(seed)
    if if_missing:
        plans = [wanted for wanted in plans if not _there(store, wanted.name, alias or wanted.recipe.alias)]
    if plans:
        with heavy_imports():
            from training.job import Wish, train_all  # noqa: PLC0415
        raise SystemExit(train_all(plans, store, Wish(alias, runs, checkpoint_seconds=checkpoint_seconds)))


def _there(store: ModelStore, name: str, alias: str) -> bool:
    named = store.readable_aliases(name).get(alias)
    return named is not None and store.is_whole(name, named.version)


for command in (retrain, resume, runs, *store.COMMANDS, data):
    cli.add_command(command)


def main() -> None:
    cli(prog_name="python -m training")
