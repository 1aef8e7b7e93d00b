"""The commands about runs: `retrain`, `resume`, `runs`, `runs show`. TensorFlow is loaded only to train."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from contract.aliases import PRODUCTION
from training.commands import options
from training.console import runs as listing
from training.console import screen
from training.recipes import CANDIDATE
from training.runs.plan import NoRun
from training.runs.record import Record, find, folders, read


@click.command()
@options.asked
@click.option("--seed", type=options.SEEDS, help="Of weights and rows. Default: the time in seconds, so another at every call.")
@options.in_runs
@options.checkpoint_seconds
@click.option("--promote", is_flag=True, help="Name it production at once, not candidate.")
def retrain(asked: options.Asked, seed: int | None, runs: Path, checkpoint_seconds: float, promote: bool) -> None:
    """Train anew, gate against the version in production too, and publish as candidate.

    Exit code 0: all published; 1: the gate refused one, or something could not be written; 2: usage; 130: Ctrl-C.

    The gate's figure `..., against production` is the new version's worst error on its held-out rows; its bar is the worst
    error of the version in production on the same rows, and a tenth of the recipe's bar.
    """
    plans = asked.plans(int(time.time()) % 2**31 if seed is None else seed)
    with heavy_imports():
        from training.job import Wish, train_all  # noqa: PLC0415
    wish = Wish(PRODUCTION if promote else CANDIDATE, runs, against_production=True, checkpoint_seconds=checkpoint_seconds)
    raise SystemExit(train_all(plans, options.store(), wish))


@click.command()
@click.argument("run_id", metavar="ID")
@options.in_runs
def resume(run_id: str, runs: Path) -> None:
    """Go on with a run that was interrupted, failed or died, to the same weights.

    ID may be its beginning, or `last`. Exit codes as of `run`; for a run that had ended, those with which it ended.
    """
    with _no_run_is_said():
        found = read(find(runs, run_id))
        if found.shown in ("published", "refused"):
            screen.console.print(f"{found.folder.name} has ended: {found.shown}. There is nothing left to do.", soft_wrap=True)
            raise SystemExit(0 if found.shown == "published" else 1)
        found.plan.again(found.folder)
        with heavy_imports():
            from training.job import resume as go_on  # noqa: PLC0415
        raise SystemExit(go_on(found.folder))


@click.group(invoke_without_command=True)
@options.in_runs
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
@click.pass_context
def runs(context: click.Context, runs: Path, as_json: bool) -> None:
    """List the runs, newest first."""
    context.obj = runs
    if context.invoked_subcommand is not None:
        return
    found: list[Record] = []
    unreadable: list[str] = []
    for folder in folders(runs):
        try:
            found.append(read(folder))
        except NoRun as error:
            unreadable.append(str(error))
    if as_json:
        click.echo(json.dumps([listing.as_json(record) for record in reversed(found)], indent=2))
    else:
        listing.table(found[::-1], runs)
    for why in unreadable:
        click.echo(why, err=True)


@runs.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def show(runs: Path, run_id: str, as_json: bool) -> None:
    """All about one run. ID may be its beginning, or `last`."""
    with _no_run_is_said():
        record = read(find(runs, run_id))
    if as_json:
        click.echo(json.dumps(listing.as_json(record), indent=2))
    else:
        listing.one(record)


@contextmanager
def heavy_imports() -> Iterator[None]:
    """TensorFlow takes three seconds to import; Ctrl-C meanwhile is no ImportError from its midst but the end."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        click.echo("\nInterrupted. Nothing had begun.")
        os._exit(130)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _no_run_is_said() -> Iterator[None]:
    try:
        yield
    except NoRun as error:
        raise click.ClickException(str(error)) from error
