"""Options that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from contract.aliases import check_name
from contract.store import ModelStore
from training import environment
from training.runs.record import RUNS
from training.sequences.source import Source


class NumberRange(click.FloatRange):
    """A range of numbers without NaN: click lets NaN through, since NaN is neither below nor above a bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)
DATA_OPTIONS = (
    click.option(
        "--sequence-column", help="Long table: column with the sequence of each item. Default: sequence, id or series."
    ),
    click.option("--value-column", help="Long table: column with the items. Default: value, or the only column."),
    click.option("--target-column", help="Long table: column with the targets. Default: target; without one, an echo."),
    click.option(
        "--stride", type=click.IntRange(1), default=1, show_default=True, help="Items from the start of one row to the next."
    ),
    click.option(
        "--held-out",
        type=NumberRange(0.01, 0.9),
        default=0.2,
        show_default=True,
        help="Share of the sequences that are held out, to judge on.",
    ),
    click.option(
        "--split-seed",
        "seed_of_split",
        type=click.IntRange(0, 2**31 - 1),
        default=Source.seed,
        show_default=True,
        help="Seed of the choice of held-out sequences.",
    ),
)
in_runs = click.option(
    "--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of the records."
)


def source_values(given: dict[str, Any]) -> dict[str, Any]:
    """Move the options above from a command's arguments into keywords of `Source`."""
    values = {name: given.pop(name) for name in ("sequence_column", "value_column", "target_column", "stride", "held_out")}
    return values | {"seed": given.pop("seed_of_split")}


def with_data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(DATA_OPTIONS):
        command = option(command)
    return command


def alias(given: str | None) -> str | None:
    try:
        return given if given is None else check_name(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def store() -> ModelStore:
    """The store in $BENTOML_HOME/models, or in ~/bentoml/models."""
    return ModelStore((environment.bentoml_home() or Path.home() / "bentoml") / "models")
