"""Shows runs: the list, one run, and both as JSON."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contract.hints import typed
from contract.manifest import Figure
from training.console import screen
from training.runs.record import Record

LOG_LINES = 12
_WIDE = 190
"""Columns of the whole list, used also without a terminal."""
_STYLE = {"published": "green", "running": "cyan", "refused": "bold red", "failed": "bold red", "died": "bold red"}


def as_json(record: Record) -> dict[str, Any]:
    """A run as JSON. A number that is not finite becomes null, since JSON has no Infinity."""
    worst = record.worst
    shown = {
        "id": record.folder.name,
        "status": record.shown,
        "reason": record.status.reason,
        "step": record.step,
        "loss": record.loss,
        "published_version": record.version,
        "worst": None if worst is None else worst.model_dump(mode="json"),
        "seconds": round(record.seconds, 3),
        "weights": record.status.weights,
        "compared_with": record.status.compared_with,
        "gate": [figure.model_dump(mode="json") for figure in record.gate],
        "plan": json.loads(record.plan.model_dump_json()),
    }
    finite: dict[str, Any] = json.loads(json.dumps(shown), parse_constant=lambda _: None)
    return finite


def table(records: list[Record], runs: Path) -> None:
    """A narrow terminal hides model and version, since the id contains both."""
    if not records:
        screen.console.print(f"No runs in {runs} yet: `{typed('train')}` makes one.")
        return
    shown_on = screen.console if screen.console.is_terminal else Console(width=_WIDE, highlight=False)
    wide = shown_on.width >= _WIDE
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("id", *["model"] * wide, "status", "step", "loss", "worst, of its bar", *["version"] * wide, "age", "took"):
        shown.add_column(column, no_wrap=column != "worst, of its bar")
    for record in records:
        status = f"[{_STYLE.get(record.shown, 'yellow')}]{record.shown}[/]"
        step = f"{record.step:,}/{record.plan.steps:,}"
        loss = "" if record.loss is None else f"{record.loss:.1g}"
        worst = "" if record.worst is None else _worst(record.worst)
        age, took = screen.duration((datetime.now(UTC) - record.plan.created).total_seconds()), screen.duration(record.seconds)
        model, version = [record.plan.model] * wide, [record.version or ""] * wide
        shown.add_row(record.folder.name, *model, status, step, loss, worst, *version, age, took)
    shown_on.print(shown)


def one(record: Record) -> None:
    """Everything in the record, with the last lines of its log."""
    written = screen.console
    shown = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, text in _fields(record).items():
        shown.add_row(name, escape(text))
    written.print(shown)
    if record.gate:
        written.print("gate")
    for figure in record.gate:
        screen.show_figure(figure)
    log = record.folder / "log.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    if lines:
        written.print(f"last lines of {log}, {len(lines)} in all")
    for line in lines[-LOG_LINES:]:
        written.print(f"  {line}", markup=False)
    if record.shown not in ("published", "refused", "running"):
        written.print(f"continue with: {screen.resume_command(record.folder)}")


def _fields(record: Record) -> dict[str, str]:
    status = record.status
    own = {
        "id": record.folder.name,
        "status": record.shown,
        "reason": status.reason,
        "step": f"{record.step:,} of {record.plan.steps:,}" + ("" if record.loss is None else f", loss {record.loss:.3g}"),
        "took": screen.duration(record.seconds),
        "weights": status.weights,
        "compared with": status.compared_with,
    }
    planned = json.loads(record.plan.model_dump_json())
    own |= {name.replace("_", " "): value if isinstance(value, str) else json.dumps(value) for name, value in planned.items()}
    return {name: text for name, text in own.items() if text is not None}


def _worst(figure: Figure) -> str:
    shown = f"{figure.name} {figure.value:.2g} of {figure.bar:.2g}"
    return shown if figure.passed else f"[bold red]{shown}[/]"
