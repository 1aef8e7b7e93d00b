"""The command about the user's own sequences: `unroll data check FILE`."""

import dataclasses
import json
import sys
from typing import Any

import click

from contract.topologies import TOPOLOGY_NAMES
from training.commands.options import FILE, LONGEST, per_step, source_values, with_data_options
from training.console.data import show_faults, show_report
from training.sequences.dataset import Dataset
from training.sequences.source import DataRefused, Source


@click.group()
def data() -> None:
    """Check your own sequences.

    \b
    Example:
      unroll data check sales.csv --task forecast --length 36 --horizon 12
    """


@data.command("check")
@click.argument("file", type=FILE)
@click.option(
    "--length",
    type=click.IntRange(1, LONGEST),
    help="Steps in a row. Default: a row is a whole sequence; an echo needs one length.",
)
@click.option(
    "--topology", "topologies", type=click.Choice(TOPOLOGY_NAMES), multiple=True, help="Topology to check for; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@with_data_options
def check_command(file: str, length: int | None, topologies: tuple[str, ...], as_json: bool, **how: Any) -> None:
    """Report the contents of FILE, its task, its split and its faults.

    FILE is CSV, JSON lines, Parquet, NPZ, .npy or .ts, also compressed or remote; - means CSV on stdin.

    Exit code 0: fit to train on; 1: faults; 2: wrong usage; 130: Ctrl-C.

    \b
    Examples:
      unroll data check sales.csv --task forecast --length 36 --horizon 12
      unroll data check flowers.parquet --json
    """
    source = Source(file, length=length, per_step=per_step(topologies), **source_values(how))
    try:
        report, dataset = _check(source)
    except DataRefused as refused:
        if as_json:
            faults = [fault._asdict() for fault in refused.faults]
            click.echo(json.dumps({"file": source.file, "faults": faults, "faults_in_all": refused.total}, indent=2))
        else:
            show_faults(refused.faults, refused.total)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(_plain(report), indent=2))
    else:
        show_report(report)
    sys.exit(0 if dataset is not None else 1)


def load(source: Source) -> Dataset:
    """For `run`: check the data and print the report. Exits with 1 where there are faults."""
    try:
        report, dataset = _check(source)
    except DataRefused as refused:
        show_faults(refused.faults, refused.total)
        sys.exit(1)
    show_report(report)
    if dataset is None:
        sys.exit(1)
    return dataset


def _check(source: Source) -> tuple[Any, Dataset | None]:
    from training.sequences.check import check  # noqa: PLC0415 - importing Arrow would slow `--help` down

    try:
        return check(source)
    except KeyboardInterrupt:  # reading ten million rows takes seconds
        raise SystemExit(130) from None


def _plain(report: Any) -> dict[str, Any]:
    plain = dataclasses.asdict(dataclasses.replace(report, facts=None, faults=[]))
    plain["facts"] = None if report.facts is None else report.facts.model_dump()
    plain["faults"] = [fault._asdict() for fault in report.faults]
    return plain
