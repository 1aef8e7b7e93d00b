"""The `unroll` command."""

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import click

from contract.closed_pipe import outlive_reader
from contract.hints import typed


class Entry(NamedTuple):
    """A command. Its module is imported when the command runs, because training takes seconds to import."""

    where: str  # module:function
    says: str
    needs: str  # the extra of the distribution that has its libraries


SECTIONS: Final[dict[str, dict[str, Entry]]] = {
    "Train": {
        "train": Entry("training.commands.train:run", "Train models; publish those that pass the gate.", "train"),
        "retrain": Entry("training.commands.train:retrain", "Train again, and compare with production too.", "train"),
        "resume": Entry("training.commands.train:resume", "Continue a run that was interrupted.", "train"),
        "runs": Entry("training.commands.runs:runs", "List the runs, or show one.", "train"),
        "data": Entry("training.commands.data:data", "Check your own sequences.", "train"),
    },
    "Versions": {
        "models": Entry("training.commands.store:models", "List the versions in the store.", "train"),
        "promote": Entry("training.commands.store:promote", "Let an alias name a version, or try the version.", "train"),
        "rollback": Entry("training.commands.store:rollback", "Take the last promotion back.", "train"),
        "withdraw": Entry("training.commands.store:withdraw", "End a canary or a shadow.", "train"),
        "unalias": Entry("training.commands.store:unalias", "Delete an alias.", "train"),
        "history": Entry("training.commands.store:history", "Show what aliases named, and when.", "train"),
        "delete": Entry("training.commands.store:delete", "Delete a version.", "train"),
        "prune": Entry("training.commands.store:prune", "Delete old versions.", "train"),
    },
    "Predict": {
        "predict": Entry("unroll.commands.predict:predict", "Predict a file, without a server.", "local"),
    },
    "Serve": {
        "serve": Entry("unroll.commands.serve:serve", "Serve the models of the store over HTTP.", "serve"),
        "load": Entry("loadtests.__main__:load", "Load a service, and check every answer.", "load"),
        "openapi": Entry("unroll.commands.openapi:openapi", "Write the OpenAPI document of the service.", "serve"),
        "keys": Entry("service.security.keys:keys", "Make keys for clients.", "serve"),
        "doctor": Entry("unroll.commands.doctor:doctor", "Say what is wrong on this machine.", "serve"),
    },
}
COMPLETE: Final = "_UNROLL_COMPLETE"
COMMANDS: Final = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Lazy(click.Group):
    """A group whose commands are imported at their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        module, _, name = entry.where.partition(":")
        try:
            command: click.Command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] in ("contract", "service", "training", "loadtests", "unroll"):
                raise
            where = f'pip install ".[{entry.needs}]" in a checkout of unroll, or make setup'
            raise click.ClickException(f"unroll {cmd_name} needs {error.name}. Install it with: {where}") from None
        for each in _and_below(command):
            each.help = _pastable(each.help or "")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """A command that is like no other is told which there are, in this group and in those below."""
        try:
            return super().invoke(ctx)
        except click.NoSuchCommand as error:
            if error.possibilities or error.ctx is None or not isinstance(group := error.ctx.command, click.Group):
                raise
            there = ", ".join(group.list_commands(error.ctx))
            raise click.NoSuchCommand(error.command_name, f"{error.message} There is: {there}.", ctx=error.ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section, entries in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, entry.says) for name, entry in entries.items()])


def _pastable(text: str) -> str:
    """The examples in a help text, with the command as this environment has it."""
    return re.sub(r"\n( +(?:[A-Z_]+=\S+ )*)(?:\S+ -m )?\S*unroll (?=[a-z])", lambda found: f"\n{found[1]}{typed('')}", text)


def _and_below(command: click.Command) -> Iterator[click.Command]:
    yield command
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _and_below(each)


def _version() -> str:
    """The installed version; in a checkout that is not installed, the checkout's."""
    try:
        return version("unroll")
    except PackageNotFoundError:
        pyproject = Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(pyproject.read_text())["project"]["version"])


EPILOG: Final = """\
\b
Examples:
  unroll train                                  # three echoes, to see it run
  unroll data check sales.csv --task forecast --length 36 --horizon 12
  unroll train --data sales.csv --task forecast --length 36 --horizon 12
  unroll promote sales@candidate
  unroll serve
\b
The store is .bentoml of the project, unless BENTOML_HOME or UNROLL_MODELS_DIR names another.
Completion: eval "$(_UNROLL_COMPLETE=bash_source unroll)"; zsh_source and fish_source for the other shells.
"""


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_pastable(EPILOG))
@click.version_option(_version(), message="unroll %(version)s")
def cli() -> None:
    """Train LSTM models on sequences, publish those that pass the gate, and serve them over HTTP."""


def main() -> NoReturn:
    outlive_reader()
    try:
        name = "unroll" if COMPLETE in os.environ else typed("").strip()
        code = cli.main(prog_name=name, complete_var=COMPLETE, standalone_mode=False)
    except click.Abort as stopped:
        interrupted = isinstance(stopped.__cause__ or stopped.__context__, KeyboardInterrupt)
        click.echo("Interrupted." if interrupted else "Nothing was done.", err=True)
        sys.exit(130 if interrupted else 1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        os._exit(130)
    sys.exit(code if isinstance(code, int) else 0)
