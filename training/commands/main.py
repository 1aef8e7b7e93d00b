"""`python -m training`: the commands of training without the face, as in the image of training."""

import click

from contract.closed_pipe import outlive_reader
from training.commands import store
from training.commands.data import data
from training.commands.runs import runs
from training.commands.train import resume, retrain, run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Train LSTM models on sequences; publish those that pass the gate."""


for command in (run, retrain, resume, runs, *store.COMMANDS, data):
    cli.add_command(command)


def main() -> None:
    outlive_reader()
    cli(prog_name="python -m training")
