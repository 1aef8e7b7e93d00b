"""`unroll serve`: BentoML's server with this service and this store. It replaces the process, so that signals reach it."""

import os
import sys
from pathlib import Path
from typing import Final

import click

import service
from contract.store_place import for_libraries, store_place

ROOT: Final = Path(service.__file__).parents[1]
"""BentoML imports the service from here: a project may have a folder `service` of its own."""
FILES: Final = ("UNROLL_KEYS_FILE", "UNROLL_TLS_CERTIFICATE_FILE", "UNROLL_TLS_KEY_FILE", "UNROLL_MODELS_DIR")


@click.command()
@click.option("--host", help="Address to listen on. Default: UNROLL_HOST, else 127.0.0.1. Another needs keys.")
@click.option("--port", type=click.IntRange(0, 2**16 - 1), default=3000, show_default=True, help="Port; 0: a free one.")
@click.option("--workers", type=click.IntRange(1), help="Processes, each with all models. Default: UNROLL_WORKERS, else 1.")
def serve(host: str | None, port: int, workers: int | None) -> None:
    """Serve the models of the store over HTTP.

    The last line of the start says `ready`; until then connections are refused. Ctrl-C ends it. A new version, or an alias
    that moves, is taken up while it serves. Every other setting is a variable UNROLL_...: docs/configuration.md.

    Exit code 0: ended by Ctrl-C or SIGTERM; 1: it cannot start; 2: wrong usage.

    \b
    Examples:
      unroll serve
      unroll serve --port 8080 --workers 2
      unroll keys new alice >> keys.jsonl
      UNROLL_KEYS_FILE=keys.jsonl unroll serve --host 0.0.0.0
    """
    here = Path.cwd()
    click.echo(f"store: {store_place(os.environ, here)}", err=True)
    variables = {**os.environ, **for_libraries(os.environ, here)}
    variables |= {name: str(here / stated) for name in FILES if (stated := os.environ.get(name))}
    variables |= {"UNROLL_WORKERS": str(workers)} if workers else {}
    command = [sys.executable, "-m", "bentoml", "serve", "service.app:Unroll", "--port", str(port)]
    address = "127.0.0.1" if host == "localhost" else host
    command += ["--working-dir", str(ROOT), *(["--host", address] if address else [])]
    os.execve(sys.executable, command, variables)  # noqa: S606 - no shell is meant
