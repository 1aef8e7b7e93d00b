"""The load test's command line: find or start a service, run Locust on it, print the results.

    unroll load --shape smoke

Locust runs in a process of its own, since its import patches sockets, threads and more.
Exit codes: 0 every answer was right, 1 an answer was wrong or failed, 2 no service to test, 130 after Ctrl-C.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import click
from rich.console import Console

from contract.closed_pipe import outlive_reader
from loadtests.alone import WrongAloneError, with_answers
from loadtests.load_shapes import SHAPES, Shape
from loadtests.models import Model, Models
from loadtests.processes import ROOT, NotServing, end, free_port
from loadtests.report import Summary, print_files, print_summary
from loadtests.target import served, target

INTERRUPTED = 130  # as in a shell: 128 plus the number of SIGINT
OVERTIME = 60.0  # seconds that Locust may take beyond the shape before it is stopped
MODELS = "models.json"  # the models with their right answers, for Locust's process


class Options(NamedTuple):
    shape: str
    url: str | None
    users: int
    duration: int
    seed: int
    ui: bool
    ui_port: int
    reports: Path
    port: int


def _url(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    parts = urlsplit(given or "http://127.0.0.1")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"expected an address like http://127.0.0.1:3000; received {given!r}")
    return given and given.rstrip("/")


_SHAPES: Final = "\n".join(
    f"  {name:6} {shape.seconds:5g} s, up to {shape.peak:3} users  {shape.why}" for name, shape in SHAPES.items()
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=f"\b\nShapes:\n{_SHAPES}")
@click.option("--shape", type=click.Choice(list(SHAPES)), default="smoke", show_default=True, help="Load shape, see below.")
@click.option("--url", callback=_url, help="A running service. Default: the one on --port of this machine, or start one.")
@click.option("--port", type=click.IntRange(1, 65_535), envvar="PORT", default=3000, show_default=True, help="Where to look.")
@click.option("--users", type=click.IntRange(1), help="Scale the shape's peak; each model keeps one user.")
@click.option("--duration", type=click.IntRange(1), metavar="SECONDS", help="Scale the shape to this length.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the payloads.")
@click.option("--ui", is_flag=True, help="Serve Locust's page; the load starts from there.")
@click.option("--ui-port", type=click.IntRange(1, 65_535), default=8089, show_default=True, help="Port of that page.")
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True, help="Folder.")
def load(users: int | None, duration: int | None, **others: Any) -> None:
    """Load a service and check every answer, of every model that it serves.

    Golden rows must give their golden outputs. An echo must give back rows that are drawn within its domain. Every other model
    is asked for each drawn row alone first. In any company the row must give the same answer, to the last bit.

    Exit code 0: every answer was right; 1: an answer was wrong or failed; 2: no service to test; 130: Ctrl-C.

    \b
    Examples:
      unroll load
      unroll load --shape ramp --url http://127.0.0.1:3000
    """
    if find_spec("locust") is None:
        raise click.ClickException(
            'unroll load needs locust. Install it with: pip install ".[load]" in a checkout, or make setup'
        )
    sys.exit(run(Options(users=users or 0, duration=duration or 0, **others)))


def run(options: Options) -> int:
    """Run a load test; the exit code."""
    console = Console()
    # `make` and CI end programs with SIGTERM; shells start background programs with SIGINT ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder: Path = options.reports.resolve() / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    try:
        if options.ui:
            free_port(options.ui_port)  # a taken port gives one line here, and a traceback in Locust
        with target(options.url, options.port, folder / "service.log") as url:
            models = served(url)
            console.print(f"models: {', '.join(f'{model.name} ({model.task})' for model in models)}", soft_wrap=True)
            models = with_answers(url, models, options.seed)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MODELS).write_text(Models(seed=options.seed, models=models).model_dump_json())
            _announce(options, url, models, console)
            code = _run_locust(options, url, models, folder)
            return _tell(folder, code, options.ui, console)  # first, since ending our service takes some seconds
    except NotServing as error:
        print(f"loadtests: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except WrongAloneError as error:
        print(f"loadtests: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _shape(options: Options, models: Sequence[Model]) -> Shape:
    return SHAPES[options.shape].scaled(options.users, options.duration, len(models))


def _announce(options: Options, url: str, models: Sequence[Model], console: Console) -> None:
    if options.ui:
        console.print(f"open http://127.0.0.1:{options.ui_port}, Locust's page for {url}; Ctrl-C ends it", soft_wrap=True)
        return
    shape = _shape(options, models)
    done = datetime.now() + timedelta(seconds=shape.seconds)
    console.print(
        f"{options.shape}: {shape.seconds:g} s, up to {shape.peak} users, against {url}; done at {done:%H:%M:%S}",
        soft_wrap=True,
    )
    console.print(shape.why, style="dim", soft_wrap=True)


def _run_locust(options: Options, url: str, models: Sequence[Model], folder: Path) -> int:
    """Locust's exit code; 130 when Ctrl-C or SIGTERM ended the shape early. The figures until then are kept."""
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--host", url]
    command += ["--html", str(folder / "report.html"), "--csv", str(folder / "report")]
    command += ["--summary", str(folder / "summary.json"), "--stop-timeout", "10"]
    command += ["--shape", options.shape, "--peak-users", str(options.users), "--shape-seconds", str(options.duration)]
    command += ["--seed", str(options.seed), "--models", str(folder / MODELS)]
    if options.ui:
        command += ["--web-host", "127.0.0.1", "--web-port", str(options.ui_port), "--loglevel", "WARNING"]
    else:
        command += ["--headless", "--only-summary", "--loglevel", "WARNING"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    try:
        return process.wait(None if options.ui else _shape(options, models).seconds + OVERTIME)
    except KeyboardInterrupt:
        return 0 if options.ui else INTERRUPTED  # Ctrl-C is the only end of the page
    except subprocess.TimeoutExpired:
        return 1
    finally:
        end(process, signal.SIGINT)  # Locust writes its reports on SIGINT


def _tell(folder: Path, code: int, ui: bool, console: Console) -> int:
    """Print the figures; the exit code. With the page no load may have been started, which is no failure."""
    path = folder / "summary.json"
    if not path.exists():
        console.print(f"Locust ended with exit code {code} and wrote no figures; its error is above", style="red")
        return code or 1
    summary = Summary.model_validate_json(path.read_bytes())
    if ui and not any(f.requests for f in summary.figures):
        return code
    print_summary(summary, console)
    print_files(folder, console)
    if code == INTERRUPTED:
        console.print("interrupted before the end of the shape", style="yellow")
    if any(f.failures for f in summary.figures):
        return 1  # also after Ctrl-C
    return code or int(not summary.passed)


if __name__ == "__main__":
    outlive_reader()
    load(prog_name="python -m loadtests")
