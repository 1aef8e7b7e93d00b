"""Shows the store: `unroll models` and `unroll history`."""

from datetime import UTC, datetime

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contract.aliases import Alias
from contract.manifest import Figure, Score, Task, worst_figure
from contract.store import ModelStore
from contract.store_reader import BrokenVersion
from training.console.screen import duration

PIPE_WIDTH = 1_000
"""Columns without a terminal: one line per version, for grep."""


class Role(BaseModel):
    """How an alias uses a version: by name, or on trial."""

    alias: str
    role: str  # version, canary, shadow
    percent: float | None = None  # of a canary only

    def __str__(self) -> str:
        part = f" {self.percent:g} %" if self.percent else ""
        return self.alias if self.role == "version" else f"{self.role}{part} of {self.alias}"


class Entry(BaseModel):
    """One version. A broken version has neither age nor figures, since its manifest is not trusted."""

    name: str
    version: str
    state: str  # whole, broken
    reason: str | None = None  # why it is broken
    created: datetime | None = None
    age_seconds: float | None = None
    task: Task | None = None
    data: str | None = None  # the file's name; None: generated sequences
    score: Score | None = None  # None: an echo
    worst: Figure | None = None  # the gate's figure nearest to its bar, or furthest past it
    aliases: list[Role]


class Listing(BaseModel):
    models: list[Entry]
    faults: list[str]  # what cannot be read: folders and alias files


def list_versions(store: ModelStore, names: list[str]) -> Listing:
    """The versions of each name, newest first. Includes versions that aliases name and that were deleted."""
    listing = Listing(models=[], faults=[])
    for name in names:
        aliases: dict[str, Alias] = {}
        try:
            aliases = store.aliases(name)
        except BrokenVersion as error:
            listing.faults.append(str(error))
        named = {version for alias in aliases.values() for version in alias.named}
        try:
            versions = store.versions(name)
            listing.faults += [f"{name}/{folder}: its name is not UTF-8" for folder in store.misnamed(name)]
        except OSError as error:  # each name by itself
            listing.faults.append(f"the folder of {name} cannot be read: {error.strerror or error}")
            continue
        for version in sorted({*versions, *named}, reverse=True):
            listing.models.append(_entry(store, name, version, aliases))
    return listing


def _entry(store: ModelStore, name: str, version: str, aliases: dict[str, Alias]) -> Entry:
    roles = [role for label, alias in sorted(aliases.items()) for role in _roles(label, alias, version)]
    try:
        manifest = store.verify(name, version)
    except BrokenVersion as error:
        return Entry(name=name, version=version, state="broken", reason=str(error), aliases=roles)
    age = (datetime.now(UTC) - manifest.created).total_seconds()
    return Entry(
        name=name,
        version=version,
        state="whole",
        created=manifest.created,
        age_seconds=round(age, 1),
        task=manifest.task,
        data=None if manifest.data is None else manifest.data.file,
        score=manifest.score,
        worst=worst_figure(manifest.gate),
        aliases=roles,
    )


def _roles(label: str, alias: Alias, version: str) -> list[Role]:
    roles = [Role(alias=label, role="version")] if alias.version == version else []
    if alias.canary and alias.canary.version == version:
        roles.append(Role(alias=label, role="canary", percent=alias.canary.percent))
    if alias.shadow == version:
        roles.append(Role(alias=label, role="shadow"))
    return roles


def show_versions(listing: Listing) -> None:
    table = _table("model", "version", "age", "aliases", "task", "data", "held-out rows", "gate, worst/bar", "state")
    for entry in listing.models:
        worst = entry.worst
        gate = "-" if worst is None else _share(worst)
        state = "whole" if entry.state == "whole" else f"[bold red]broken:[/] {escape(entry.reason or '')}"
        age = "-" if entry.age_seconds is None else duration(round(entry.age_seconds))
        score = "-" if entry.score is None else f"{entry.score.metric} {entry.score.value:.4g}"
        what = (entry.task or "-", escape(entry.data or "-"), score)
        table.add_row(entry.name, entry.version, age, escape(", ".join(map(str, entry.aliases))), *what, gate, state)
    _print(table)
    for fault in listing.faults:
        _print(f"[bold red]{escape(fault)}[/]")


def _share(figure: Figure) -> str:
    """How near a figure is to its bar: below 1 it passes."""
    over, under = (figure.bar, figure.value) if figure.at_least else (figure.value, figure.bar)
    return f"{'at least ' if figure.at_least else ''}{over:.3g}/{under:.3g} = {figure.share:.2f}"


def show_history(aliases: dict[str, Alias]) -> None:
    """Show the events of all aliases of one name, oldest first."""
    table = _table("at (UTC)", "alias", "what", "version", "")
    happened = [(event, label) for label, alias in aliases.items() for event in alias.history]
    for event, label in sorted(happened, key=lambda each: each[0].at):
        at = f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        table.add_row(at, label, event.what, event.version, escape(event.reason))
    _print(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column in ("model", "version", "age"))
    return table


def _print(shown: Table | str) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    console.print(shown)
