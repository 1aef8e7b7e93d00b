"""Names of models: the default, and whether a name is free for what is trained."""

import contextlib
import re
from typing import Final

import click

from contract.manifest import Manifest, Task
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from contract.topologies import check_own_name
from training.plan import Plan
from training.sequences.source import Source

MOST: Final = 63
"""Characters of a name."""


def name_of(source: Source) -> str:
    """The name of a file without its endings, in the letters of a name: `Stocks 2026.csv.gz` -> `stocks-2026`."""
    try:
        return check_own_name(_slug(source.file))
    except ValueError:
        raise click.UsageError(f"expected --name NAME, such as --name stocks: {source.file} gives no name") from None


def check_free(store: ModelStore, plan: Plan, alias: str, named: bool) -> None:
    """Raise UsageError where the version would replace one of another task, or of another data set unless `named`."""
    there = _first_whole(store, plan.name, [each.version for each in store.readable_aliases(plan.name).values()])
    if there is not None and there.task != plan.task:
        raise click.UsageError(f"{plan.name} is a model of task {there.task}; received task {plan.task}: choose another --name")
    current = store.readable_aliases(plan.name).get(alias)
    replaced = None if current is None else _first_whole(store, plan.name, [current.version])
    if named or plan.data is None or replaced is None:
        return
    taught = "generated sequences" if replaced.data is None else replaced.data.file
    if taught != (file := plan.data.facts.file):
        suggested = f"choose a name, such as --name {_suggested(file, plan.task)}"
        raise click.UsageError(f"{alias} of {plan.name} was trained on {taught}; received {file}: {suggested}")


def _suggested(file: str, task: Task) -> str:
    return f"{_slug(file) or 'own'}-{task}"[:MOST]


def _slug(file: str) -> str:
    """A file's name without its endings, in the letters of a name."""
    stem = re.sub(r"(\.[A-Za-z0-9]+)+$", "", file)
    return re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:MOST]


def _first_whole(store: ModelStore, name: str, versions: list[str]) -> Manifest | None:
    for version in versions:
        with contextlib.suppress(BrokenVersion):
            return store.verify(name, version)
    return None
