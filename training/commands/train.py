"""The commands that train: `run`, `retrain`, `resume`. TensorFlow is loaded only when there is something to train."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from contract.aliases import PRODUCTION
from contract.store import ModelStore
from contract.topologies import TOPOLOGY_NAMES, TopologyName
from training import environment
from training.commands import options
from training.commands.choices import CHOICE_OPTIONS, check_fits, chosen, own_name
from training.commands.data import load
from training.commands.from_production import manifest_in_production, read_as, trained_as
from training.commands.names import check_free, name_of
from training.commands.options import DATA_OPTIONS, FILE, NumberRange, source_values
from training.commands.runs import no_run_in_one_line
from training.console import screen
from training.plan import Chosen, Plan, plan_echo, plan_task
from training.recipes import CANDIDATE, GENERAL, RECIPES
from training.runs.record import find, read
from training.scores.score import check_goal
from training.sequences.dataset import Dataset
from training.sequences.source import Source

SEED = 26
"""Of seeds 0 to 39, this one's tutorial models round to the right decimals by the widest margin. Seven seeds do for all
three topologies; many_to_many often needs more epochs."""
LENGTH = 5
"""Length of the tutorial's sequence."""
CHECKPOINT_SECONDS = 2.0
"""A checkpoint takes a few milliseconds."""
SEEDS = click.IntRange(0, 2**31 - 1)


class Asked(NamedTuple):
    """The user's options for what to train, without the seed."""

    topologies: tuple[TopologyName, ...]
    name: str | None
    recipe: str
    length: int  # of generated sequences
    chosen: Chosen
    source: Source | None
    named: frozenset[str] = frozenset()  # the fields of `source` that the user named, be it with their defaults

    def as_production(self, store: ModelStore) -> "Asked":
        """What the user left open is that of the version in production, where it was trained on data of the user's own."""
        if self.source is None:
            return self
        with contextlib.suppress(click.UsageError):  # standard input gives no name; `plans` says so where one is needed
            manifest = manifest_in_production(store, self.name or name_of(self.source))
            if manifest is None or self.source.task not in (None, manifest.task):
                return self
            return self._replace(
                topologies=self.topologies or (manifest.topology,),
                chosen=trained_as(manifest, self.chosen),
                source=read_as(manifest, self.source, self.named),
            )
        return self

    def plans(self, seed: int) -> list[Plan]:
        """The plans. Where data is refused, prints its faults and exits with 1."""
        recipe, names = RECIPES[self.recipe], self.topologies or TOPOLOGY_NAMES
        if self.source is None:
            if self.name is not None:
                raise click.UsageError("--name needs --data FILE: models of generated sequences have names of their own")
            check_fits(self.chosen, "echo")
            return [plan_echo(recipe, name, self.length, seed, self.chosen) for name in names]
        if recipe is not GENERAL:
            raise click.UsageError(f"--data needs recipe {GENERAL.name}; recipe {recipe.name} has its own sequence")
        if self.name is not None and len(self.topologies) > 1:
            raise click.UsageError("--name needs one --topology: each model has a name of its own")
        if self.source.task is not None:  # asked before the report of the data is shown
            check_fits(self.chosen, self.source.task)
        data = load(self.source)
        check_fits(self.chosen, data.task)
        if data.task != "echo":
            plan = plan_task(data, self._topology(data), self.name or name_of(self.source), seed, self.chosen)
            try:
                check_goal(plan)
            except ValueError as error:
                raise click.UsageError(str(error)) from None
            return [plan]
        if self.name is not None and len(names) > 1:
            raise click.UsageError("--name needs one --topology: each model has a name of its own")
        return [plan_echo(recipe, name, data.facts.length, seed, self.chosen, data, self.name) for name in names]

    def _topology(self, data: Dataset) -> TopologyName:
        if len(self.topologies) > 1:
            raise click.UsageError(f"task {data.task} needs one --topology; received {', '.join(self.topologies)}")
        return self.topologies[0] if self.topologies else "many_to_many" if data.per_step else "many_to_one"


_ASKED = (
    click.option(
        "--topology",
        "topologies",
        type=click.Choice(TOPOLOGY_NAMES),
        multiple=True,
        help="Topology to train; repeatable for an echo. Default: all; for another task the one that fits the data.",
    ),
    click.option("--name", callback=own_name, help="Name of the model in the store. Default: the echo's own, or the file's."),
    click.option(
        "--recipe", type=click.Choice(list(RECIPES)), default=GENERAL.name, show_default=True, help="Configuration of an echo."
    ),
    click.option(
        "--length",
        type=click.IntRange(1, options.LONGEST),
        help=f"Steps in a row. Default: {LENGTH}; with --data the sequences' own lengths.",
    ),
    *CHOICE_OPTIONS,
    click.option("--data", "file", type=FILE, help="Train on your own sequences (`data check --help` lists the formats)."),
    *DATA_OPTIONS,
)


def _check_no_data(how: dict[str, Any]) -> None:
    """Raise UsageError for an option about data: a forgotten --data would train and publish echoes."""
    usual = Source("")
    for field, value in how.items():
        if value != getattr(usual, field):
            option = "split-seed" if field == "seed" else field.replace("_", "-")
            raise click.UsageError(f"--{option} needs --data FILE")


checkpoint_seconds = click.option(
    "--checkpoint-seconds",
    type=NumberRange(0),
    default=CHECKPOINT_SECONDS,
    show_default=True,
    help="Seconds of training that a kill may lose; 0: checkpoint after every chunk of steps.",
)


def _typed(given: Iterable[str]) -> Iterator[str]:
    """The options that are on the command line."""
    context = click.get_current_context()
    return (name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE)


def asked(command: Callable[..., Any]) -> Callable[..., Any]:
    """Pass the options of a plan to the command as one argument `asked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        named = frozenset("seed" if each == "seed_of_split" else each for each in _typed(given) if each != "seed")
        file, how, choice = given.pop("file"), source_values(given), chosen(given)
        own = {name: given.pop(name) for name in ("topologies", "name", "recipe")}
        length = given.pop("length")
        if file is None:
            _check_no_data(how)
        source = None if file is None else Source(file, length=length, per_step=options.per_step(own["topologies"]), **how)
        return command(asked=Asked(**own, length=length or LENGTH, chosen=choice, source=source, named=named), **given)

    for option in reversed(_ASKED):
        gathered = option(gathered)
    return gathered


@click.command()
@asked
@click.option("--seed", type=SEEDS, default=SEED, show_default=True, help="Seed of weights and rows.")
@click.option(
    "--alias",
    callback=lambda *given: options.alias(given[-1]),
    help="Alias of the published version. Default: the recipe's (general: production; with --data: candidate).",
)
@options.in_runs
@checkpoint_seconds
@click.option("--if-missing", is_flag=True, help="Train only models that the store lacks under that alias.")
def run(asked: Asked, seed: int, alias: str | None, runs: Path, checkpoint_seconds: float, if_missing: bool) -> None:
    """Train, gate and publish.

    Exit code 0: all published; 1: the gate refused a model, or writing failed; 2: wrong usage; 130: Ctrl-C.

    The store is .bentoml of the project, unless BENTOML_HOME or UNROLL_MODELS_DIR names another.

    \b
    Examples:
      unroll train
      unroll train --topology many_to_one --length 8
      unroll train --data sales.csv --task forecast --length 36 --horizon 12
    """
    store, plans = options.store(), asked.plans(seed)
    for wanted in plans:
        check_free(store, wanted, alias or wanted.alias, named=asked.name is not None)
    if if_missing:
        plans = [wanted for wanted in plans if not _there(store, wanted.name, alias or wanted.alias)]
    if plans:
        options.say_store()
        with heavy_imports():
            from training.job import Wish, train_all  # noqa: PLC0415
        raise SystemExit(train_all(plans, store, Wish(alias, runs, checkpoint_seconds=checkpoint_seconds)))


def _there(store: ModelStore, name: str, alias: str) -> bool:
    named = store.readable_aliases(name).get(alias)
    return named is not None and store.is_whole(name, named.version)


@click.command()
@asked
@click.option("--seed", type=SEEDS, help="Seed of weights and rows. Default: the time in seconds, so every call differs.")
@options.in_runs
@checkpoint_seconds
@click.option("--promote", is_flag=True, help="Publish as production, not as candidate.")
def retrain(asked: Asked, seed: int | None, runs: Path, checkpoint_seconds: float, promote: bool) -> None:
    """Train again, compare with the version in production too, and publish as candidate.

    Exit code 0: all published; 1: the gate refused a model, or writing failed; 2: wrong usage; 130: Ctrl-C.

    The gate's figure `..., against production` is the new version's worst error on its held-out rows. Its bar is the
    worst error of the version in production on the same rows, plus a tenth of the recipe's bar.

    With --data, options that are left out are those of the version in production: its task and columns, its network, and
    what its gate compared.

    \b
    Examples:
      unroll retrain
      unroll retrain --topology many_to_many --promote
    """
    store = options.store()
    plans = asked.as_production(store).plans(int(time.time()) % 2**31 if seed is None else seed)
    for wanted in plans:
        check_free(store, wanted, PRODUCTION if promote else CANDIDATE, named=asked.name is not None)
    with heavy_imports():
        from training.job import Wish, train_all  # noqa: PLC0415
    options.say_store()
    wish = Wish(PRODUCTION if promote else CANDIDATE, runs, against_production=True, checkpoint_seconds=checkpoint_seconds)
    raise SystemExit(train_all(plans, store, wish))


@click.command()
@click.argument("run_id", metavar="ID")
@options.in_runs
def resume(run_id: str, runs: Path) -> None:
    """Continue a run that was interrupted, failed or died, to the same weights.

    ID may be the beginning of an id, or `last`. Exit codes are those of `train`, also for a run that has ended.

    \b
    Example:
      unroll resume last
    """
    with no_run_in_one_line():
        found = read(find(runs, run_id))
        if found.shown in ("published", "refused"):
            screen.console.print(f"{found.folder.name} has ended: {found.shown}. There is nothing to resume.")
            raise SystemExit(0 if found.shown == "published" else 1)
        found.plan.again(found.folder)
        options.say_store(found.plan.store)
        with heavy_imports():
            from training.job import resume as resume_run  # noqa: PLC0415
        raise SystemExit(resume_run(found.folder))


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Exit cleanly on Ctrl-C during the three seconds in which TensorFlow is imported."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        click.echo("\nInterrupted. No run had begun.")
        os._exit(130)

    before = signal.signal(signal.SIGINT, leave)
    environment.settle()
    try:
        with environment.without_native_noise():
            yield
    finally:
        signal.signal(signal.SIGINT, before)
