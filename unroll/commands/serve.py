"""`unroll serve`: BentoML's server with this service and this store."""

import json
import os
import signal
from pathlib import Path
from typing import Final

import click

import service
from contract.store_place import for_libraries, store_place

ROOT: Final = Path(service.__file__).parents[1]
"""BentoML imports the service from here: a project may have a folder `service` of its own."""
FILES: Final = ("UNROLL_KEYS_FILE", "UNROLL_TLS_CERTIFICATE_FILE", "UNROLL_TLS_KEY_FILE", "UNROLL_MODELS_DIR")


@click.command()
@click.option(
    "--host",
    help="Address to listen on. Default: UNROLL_HOST, else 127.0.0.1. An address that other machines reach needs keys.",
)
@click.option("--port", type=click.IntRange(0, 2**16 - 1), default=3000, show_default=True, help="Port; 0: a free one.")
@click.option("--workers", type=click.IntRange(1), help="Processes, each with all models. Default: UNROLL_WORKERS, else 1.")
def serve(host: str | None, port: int, workers: int | None) -> None:
    """Serve the models of the store over HTTP.

    The service prints `ready` once it answers; before, connections are refused. Ctrl-C ends it. A running service takes up
    new versions and moved aliases. Every other setting is a variable UNROLL_...: docs/configuration.md.

    Exit code 0: ended by Ctrl-C or SIGTERM; 1: it cannot start; 2: wrong usage.

    \b
    Examples:
      unroll serve
      unroll serve --port 8080 --workers 2
      unroll keys new alice >> keys.jsonl
      UNROLL_KEYS_FILE=keys.jsonl unroll serve --host 0.0.0.0
    """
    here = Path.cwd()
    place = f"store: {store_place(os.environ, here)}"
    as_json = os.environ.get("UNROLL_LOG_FORMAT") == "json"
    click.echo(json.dumps({"level": "INFO", "logger": "unroll", "message": place}) if as_json else place, err=True)
    os.environ.update(for_libraries(os.environ, here))
    os.environ.update({name: str(here / stated) for name in FILES if (stated := os.environ.get(name))})
    os.environ.update({"UNROLL_WORKERS": str(workers)} if workers else {})
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # until BentoML's supervisor attends to it, after two seconds
    from bentoml_cli.cli import cli  # noqa: PLC0415 - BentoML reads its folder from the environment when it is imported

    options = ["--port", str(port), "--working-dir", str(ROOT)]
    options += ["--host", "127.0.0.1" if host == "localhost" else host] if host else []
    cli.main(["serve", "service.app:Unroll", *options], prog_name="bentoml")
