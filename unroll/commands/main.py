"""The `unroll` command."""

from importlib import import_module
from typing import Final

import click

from contract.closed_pipe import outlive_reader

COMMANDS: Final = {
    "train": "training.commands.train:run",
    "retrain": "training.commands.train:retrain",
    "resume": "training.commands.train:resume",
    "runs": "training.commands.runs:runs",
    "data": "training.commands.data:data",
    "openapi": "unroll.commands.openapi:openapi",
}
"""Where each command is. A command's module is imported when the command runs, because training takes seconds to import."""


class Lazy(click.Group):
    """A group whose commands are imported at their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="unroll")
def cli() -> None:
    """Train LSTM models on sequences, publish those that pass the gate, and serve them over HTTP."""


def main() -> None:
    outlive_reader()
    cli(prog_name="unroll")
