"""The console of every command, with a copy of each line in the log of a run."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from contract.hints import typed
from contract.manifest import Figure
from training.runs.record import RUNS


class Logged(Console):
    """Shows lines, and copies them as plain text into the log of the current run. A line of text is never wrapped."""

    copy: Console | None = None

    def print(self, *objects: Any, **how: Any) -> None:
        if all(isinstance(each, str) for each in objects):  # not tables
            how.setdefault("soft_wrap", True)
        super().print(*objects, **how)
        if self.copy is not None:
            self.copy.print(*objects, **how)


console = Logged(highlight=False)
LOG_WIDTH = 120


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Copy everything shown in this block to the file `path`, line by line."""
    with path.open("a", buffering=1) as file:
        console.copy = Console(file=file, width=LOG_WIDTH, highlight=False, color_system=None)
        try:
            yield
        finally:
            console.copy = None


def show_figure(figure: Figure) -> None:
    verdict = "[green]ok[/]" if figure.passed else f"[bold red]{'TOO SMALL' if figure.at_least else 'TOO LARGE'}[/]"
    bar = f"{'at least ' if figure.at_least else ''}{figure.bar:.4g}"
    console.print(f"  {figure.name:<42} {figure.value:>9.3g}  bar {bar:<15} {verdict}")


def resume_command(folder: Path) -> str:
    where = "" if folder.parent == RUNS else f" --runs {shlex.quote(str(folder.parent))}"
    return typed(f"resume {folder.name}{where}")


def duration(seconds: float) -> str:
    """An age or a duration in the largest unit of which there are two, such as 90 min."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{round(seconds, 1):g} s" if seconds < 10 else f"{seconds:.0f} s"
