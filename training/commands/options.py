"""Options that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

import click

from contract.aliases import check_name
from contract.manifest import Task
from contract.store import ModelStore
from training import environment
from training.runs.record import RUNS
from training.sequences.source import MISSING, Source


class NumberRange(click.FloatRange):
    """A range of numbers without NaN: click lets NaN through, since NaN is neither below nor above a bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


class Finite(click.types.FloatParamType):
    """A number that is neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number; received {value}.", param, ctx)
        return number


class DataFile(click.Path):
    """A file that exists, or the address of a remote one, such as s3://bucket/my.csv."""

    def __init__(self) -> None:
        super().__init__(exists=True, readable=True, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "A,B,C"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = value if isinstance(value, tuple) else tuple(name.strip() for name in str(value).split(","))
        if not all(names):
            self.fail(f"expected names with one comma between them; received {value!r}.", param, ctx)
        return names


FILE = DataFile()
TASKS: Final = get_args(Task)
LONGEST: Final = 10_000
"""The largest number of steps in a row; an echo has at most 1,000."""
DATA_OPTIONS = (
    click.option(
        "--task",
        type=click.Choice(TASKS),
        help="What the model learns. Default: classify or label where the data has classes, regress where it has targets, "
        "otherwise echo.",
    ),
    click.option("--features", type=Names(), help="Columns with the features of a step; names of the features of an array."),
    click.option("--value-column", "value_columns", multiple=True, help="One of --features; repeatable."),
    click.option(
        "--target", type=Names(), help="Columns with the numbers to predict. Default: target; forecast: all features."
    ),
    click.option("--target-column", "target_columns", multiple=True, help="One of --target; repeatable."),
    click.option("--label", help="Column with the class of each step, or of each row. Default: label or class."),
    click.option(
        "--sequence-column",
        help="Column with the sequence of each step. Default: sequence, id or series; without one, a table is one series.",
    ),
    click.option("--time-column", help="Column by which the steps of a sequence are sorted. Default: time or date."),
    click.option("--pivot", is_flag=True, help="Each column is a series of its own."),
    click.option("--horizon", type=click.IntRange(1, 10_000), help="Forecast: steps that the model returns. Default: 1."),
    click.option(
        "--stride",
        type=click.IntRange(1),
        help="Steps from the start of one row to the next. Default: 1 for echo and forecast; otherwise the row's length.",
    ),
    click.option(
        "--missing",
        type=click.Choice(MISSING),
        default=Source.missing,
        show_default=True,
        help="Missing numbers: refuse the file, carry the last value forward, or drop the step or row. "
        "A row whose answer is missing is left out.",
    ),
    click.option("--test", "test", type=FILE, help="File of the same layout whose rows are held out: no others are."),
    click.option(
        "--held-out",
        type=NumberRange(0.01, 0.9),
        default=Source.held_out,
        show_default=True,
        help="Share of the sequences, or of time, that is held out, to judge on.",
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
_SAME: Final = ("task", "label", "sequence_column", "time_column", "pivot", "horizon", "stride", "missing", "test", "held_out")
in_runs = click.option(
    "--runs", type=click.Path(path_type=Path), default=RUNS, show_default=True, help="Folder of the records."
)


def source_values(given: dict[str, Any]) -> dict[str, Any]:
    """Move the options above from a command's arguments into keywords of `Source`."""
    values = {name: given.pop(name) for name in _SAME}
    for names, columns in (("features", "value_columns"), ("target", "target_columns")):
        values[names] = tuple(dict.fromkeys([*(given.pop(names) or ()), *given.pop(columns)]))
    return values | {"seed": given.pop("seed_of_split")}


def per_step(topologies: tuple[str, ...]) -> bool | None:
    """Whether the topologies that the user asks for answer each step; None where they ask for none, or for both kinds."""
    kinds = {topology != "many_to_one" for topology in topologies}
    return kinds.pop() if len(kinds) == 1 else None


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
    return ModelStore(environment.place().models)


def say_store(used: Path | None = None) -> None:
    """Say which store a command works on; on standard error, since the output may be data. `used`: another than usual."""
    place = environment.place()
    if used is None or used.absolute() == place.models:
        click.echo(f"store: {place}", err=True)
    else:
        click.echo(f"store: {used} (of the run; not {place})", err=True)
