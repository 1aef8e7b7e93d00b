"""The options of a plan apart from its data: the network, the training, and what the gate compares."""

import re
from typing import Any, Final, get_args

import click

from contract.manifest import Metric, Scaling, Task
from contract.topologies import check_own_name
from training.commands.options import Finite, NumberRange
from training.plan import Chosen

_OWN: Final = "Own data only. "


def own_name(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    try:
        return given if given is None else check_own_name(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _beats(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for baseline in given:
        if not re.fullmatch(r"naive|mean|majority|seasonal:[1-9][0-9]{0,5}", baseline):
            raise click.BadParameter(f"expected naive, seasonal:12, mean or majority; received {baseline}")
    return given


CHOICE_OPTIONS = (
    click.option("--units", type=click.IntRange(1, 1024), help="LSTM cells of a layer. Default: the recipe's choice."),
    click.option("--layers", type=click.IntRange(1, 3), help=f"{_OWN}LSTM layers. Default: 1."),
    click.option(
        "--dropout",
        type=NumberRange(0, 0.9),
        help=f"{_OWN}Share of a layer's outputs that training leaves out. Default: the task's.",
    ),
    click.option(
        "--scaling",
        type=click.Choice(get_args(Scaling)),
        help=f"{_OWN}How inputs are scaled: by their domain, to mean 0 and deviation 1, or each row by itself (window). "
        "Default: standard; for a many_to_one forecast window.",
    ),
    click.option("--batch", type=click.IntRange(1, 65_536), help=f"{_OWN}Rows of an optimiser step. Default: 32."),
    click.option("--steps", type=click.IntRange(1), help="Optimiser steps."),
    click.option(
        "--epochs",
        type=click.IntRange(1),
        help="Passes over the training rows. An echo's rows are new at each step, so a step is an epoch.",
    ),
    click.option("--learning-rate", type=NumberRange(0, 1, min_open=True), help="At the start; it decays along half a cosine."),
    click.option(
        "--patience", type=click.IntRange(1), help=f"{_OWN}Epochs without a better validation loss, after which training ends."
    ),
    click.option("--class-weights", is_flag=True, help=f"{_OWN}Let rare classes count as much as common ones."),
    click.option(
        "--metric",
        type=click.Choice(get_args(Metric)),
        help="What the gate measures on held-out rows. Default: forecast mae, regress rmse, classes balanced_accuracy.",
    ),
    click.option("--bar", type=Finite(), help="Value of the metric that the model has to reach. Default: none."),
    click.option(
        "--beats",
        multiple=True,
        callback=_beats,
        help="Another baseline that the model has to beat; repeatable: naive, seasonal:12, mean, majority.",
    ),
)


def chosen(given: dict[str, Any]) -> Chosen:
    """Move the options above from a command's arguments into a `Chosen`."""
    if given["steps"] is not None and given["epochs"] is not None:
        raise click.UsageError("expected --steps or --epochs; received both")
    return Chosen(**{field: given.pop(field) for field in Chosen.__dataclass_fields__})


def check_fits(choice: Chosen, task: Task) -> None:
    """Raise UsageError where an option is of another task. `training.scores.score.check_goal` checks what the gate compares."""
    if task == "echo":
        for field in set(Chosen.__dataclass_fields__) - {"units", "steps", "epochs", "learning_rate"}:
            if getattr(choice, field) not in (None, False, ()):
                option = f"--{field.replace('_', '-')}"
                raise click.UsageError(f"{option} is not for an echo: say --task forecast, regress, classify or label")
    elif choice.class_weights and task not in ("classify", "label"):
        raise click.UsageError(f"--class-weights is for tasks with classes; the task is {task}")
