"""`unroll predict`: the answers of a model to all rows of a file, without a server."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from contract.hints import typed
from contract.store_reader import BrokenVersion
from service.errors import UnknownVersion, UnrollError
from training.commands.options import FILE, Names
from training.sequences.source import STDIN, DataRefused, Source, many
from unroll.bulk.files import reading_of
from unroll.bulk.job import Done, Job
from unroll.bulk.outputs import SUFFIXES
from unroll.bulk.parts import InUse, Parts
from unroll.model_names import parsed
from unroll.stored import load_version, store_at

QUIET_SECONDS: Final = 1.0
"""A shorter run shows no progress."""
EVERY_SECONDS: Final = {True: 0.2, False: 10.0}
"""Between two lines of progress: on a terminal, and in a log."""


@click.command()
@click.argument("model", metavar="MODEL[@VERSION]")
@click.argument("file", type=FILE)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help=".parquet, .csv or .npz.")
@click.option("--store", help="A folder as BENTOML_HOME names one. Default: as for every command.")
@click.option("--force", is_flag=True, help="Replace the output, and what another command has begun there.")
@click.option("--features", type=Names(), help="Columns in the order of the model's features. Default: those of their names.")
@click.option("--sequence-column", help="Column with the sequence's name. Default: sequence, id or series.")
@click.option("--time-column", help="Column by which the steps of a sequence are sorted. Default: time or date.")
@click.option("--pivot", is_flag=True, help="Each column is a series of its own.")
@click.option("--last", is_flag=True, help="Of each sequence, take the last steps, where a model takes one length only.")
@click.option(
    "--missing",
    type=click.Choice(("refuse", "fill")),
    default="refuse",
    show_default=True,
    help="Missing numbers: refuse the file, or carry the last value forward.",
)
def predict(model: str, file: str, output: Path, store: str | None, force: bool, last: bool, **how: Any) -> None:
    """Write the answers of MODEL to all rows of FILE, in their order: outputs, or label and probabilities; version; in_domain.

    FILE is what `unroll train` takes, or Parquet with a list of numbers for each feature. MODEL is a name, which means the
    version in production, or name@version, or name@alias. One version answers all rows. After a kill or an
    interrupt, type the same command again: it goes on where it stopped.

    Exit code 0: done; 1: refused; 2: wrong usage; 130: interrupted.

    \b
    Examples:
      unroll predict walks walks.csv -o answers.csv
      unroll predict sales@candidate sales.csv -o answers.parquet --last
    """
    if output.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"expected an output that ends in {', '.join(SUFFIXES)}; received {output}")
    if output.exists() and not force:
        raise click.ClickException(f"{output} exists: name another output, or add --force to replace it")
    features = how.pop("features") or ()
    source = Source(file, task="echo", features=features, **how)
    told = {"model": model, "file": _fingerprint(file), "how": {**how, "features": features, "last": last}}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        parts, whole = Parts(output), False
        try:
            _run(model, source, output, parts, store, told, force, last)
            whole = True
        finally:
            parts.close(keep=not whole)
    except (UnrollError, DataRefused, BrokenVersion, InUse, OSError) as error:
        raise click.ClickException(str(error)) from error


def _run(
    model: str, source: Source, output: Path, parts: Parts, store: str | None, told: dict[str, Any], force: bool, last: bool
) -> None:
    name, wanted = parsed(model)
    before = parts.record if parts.done else None
    if before is not None and {**before, "version": None} != {**_plain(told), "version": None}:
        if not force:
            detail = f"{parts.folder} has what another command has begun: type that command again, or add --force to start over"
            raise click.ClickException(detail)
        before = None
    before = before if told["file"] is not None else None  # what comes through a pipe may be other rows
    try:
        loaded = load_version(store_at(store), name, wanted if before is None else before["version"])
    except UnknownVersion as error:
        if before is None:
            raise
        if not force:
            hint = f"{parts.done:,} rows have the answers of {before['version']}. Add --force to start over with another."
            raise click.ClickException(f"{error} {hint}") from error
        before, loaded = None, load_version(store_at(store), name, wanted)
    manifest = loaded.manifest
    if before is None:
        parts.begin({**told, "version": manifest.version})
    else:
        parts.resume()
        click.echo(f"goes on after {parts.done:,} rows, with {name}@{manifest.version}", err=True)
    reading = reading_of(source, [feature.name for feature in manifest.features])
    progress = Progress(parts.done)
    job = Job(loaded, reading, parts, output, last)
    try:
        done = job.run(progress.show)
    except KeyboardInterrupt:
        progress.end()
        again = typed(f"predict {shlex.join(sys.argv[2:])}")
        click.echo(f"stopped after {parts.done:,} rows; to go on: {again}", err=True)
        raise SystemExit(130) from None
    progress.end()
    if not done.rows:
        raise click.ClickException(f"{source.file} has no rows")
    click.echo(f"{output}: {_said(done)} by {name}@{manifest.version} ({reading.layout}){progress.in_all(done.rows)}", err=True)


def _said(done: Done) -> str:
    outside = f", {done.outside:,} out of the domain" if done.outside else ""
    unanswered = f", {done.unanswered:,} of them too far out to have a finite answer" if done.unanswered else ""
    return f"{many(done.rows, 'row')}{outside}{unanswered}"


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """As it is read back from JSON."""
    return {**told, "how": {**told["how"], "features": list(told["how"]["features"])}}


def _fingerprint(file: str) -> list[Any] | None:
    """What tells whether a file is the same; None: nothing can tell."""
    if file == STDIN or "://" in file:
        return None
    status = Path(file).stat()
    return [str(Path(file).resolve()), status.st_size, status.st_mtime_ns]


class Progress:
    """One line that changes on a terminal, a line now and then in a log; none in the first second."""

    def __init__(self, before: int) -> None:
        self._before, self._begun, self._tty = before, time.monotonic(), sys.stderr.isatty()
        self._due = self._begun + QUIET_SECONDS
        self._shown = False

    def show(self, rows: int) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due, self._shown = now + EVERY_SECONDS[self._tty], True
        begin = "\r" if self._tty else ""
        click.echo(f"{begin}{rows:,} rows{self.in_all(rows)}", err=True, nl=not self._tty)

    def in_all(self, rows: int) -> str:
        """The pace of this run; nothing in the first second."""
        seconds = time.monotonic() - self._begun
        return f", {(rows - self._before) / seconds:,.0f} rows/s" if seconds >= QUIET_SECONDS else ""

    def end(self) -> None:
        if self._shown and self._tty:
            click.echo(err=True)
