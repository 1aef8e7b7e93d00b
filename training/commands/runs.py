"""The commands that show runs: `runs` and `runs show`. They do not load TensorFlow."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from training.commands import options
from training.console import runs as listing
from training.runs.plan import NoRun
from training.runs.record import Record, find, folders, read


@click.group(invoke_without_command=True)
@options.in_runs
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def runs(context: click.Context, runs: Path, as_json: bool) -> None:
    """List the runs, newest first.

    \b
    Examples:
      unroll runs
      unroll runs show last
    """
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(runs: Path, run_id: str, as_json: bool) -> None:
    """Show everything about one run. ID may be the beginning of an id, or `last`.

    \b
    Example:
      unroll runs show last
    """
    with no_run_in_one_line():
        record = read(find(runs, run_id))
    if as_json:
        click.echo(json.dumps(listing.as_json(record), indent=2))
    else:
        listing.one(record)


@contextmanager
def no_run_in_one_line() -> Iterator[None]:
    """Turn NoRun into a message of one line and exit code 1."""
    try:
        yield
    except NoRun as error:
        raise click.ClickException(str(error)) from error
