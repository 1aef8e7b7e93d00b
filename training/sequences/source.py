"""A file of the user's own sequences: how to read it, and why it was refused."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, NoReturn, get_args

from contract.manifest import Task

SHOWN: Final = 20
"""So many faults are described; the others are counted."""
ALONE: Final = 3
"""So many equal faults of a column have a line each; more share one line."""
STDIN: Final = "-"
Missing = Literal["refuse", "fill", "drop"]
MISSING: Final[tuple[Missing, ...]] = get_args(Missing)


@dataclass(frozen=True)
class Source:
    """The user's choice of a file, its columns, its task, and how to cut and split its sequences."""

    path: str  # "-": CSV on standard input; may be remote, such as s3://bucket/file.csv
    task: Task | None = None  # None: classes -> classify or label, targets -> regress, else echo
    per_step: bool | None = None  # whether each step has an answer, or each row; None: the data decides
    features: tuple[str, ...] = ()  # columns; for arrays the names of the features
    target: tuple[str, ...] = ()
    label: str | None = None
    sequence_column: str | None = None
    time_column: str | None = None
    pivot: bool = False  # each column is a series of its own
    length: int | None = None  # steps in a row; None: the sequences' own lengths
    horizon: int | None = None  # of a forecast: steps after a row
    stride: int | None = None  # None: 1 for echo and forecast; otherwise rows lie side by side
    missing: Missing = "refuse"
    test: str | None = None  # a file of the same layout, whose rows are held out; then none of `path` are
    held_out: float = 0.2  # share of the sequences, or of time
    seed: int = 26  # of the split only: runs with other seeds hold out the same sequences

    @property
    def file(self) -> str:
        return "standard input" if self.path == STDIN else Path(self.path).name

    @property
    def said(self) -> dict[str, Any]:
        """What the user said of the file's columns and rows, by which another file of the same layout is read alike."""
        elsewhere = ("path", "test", "held_out", "seed", "per_step")  # a manifest has them under names of their own
        said = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in said.items()
            if value != default and name not in elsewhere
        }


class Fault(NamedTuple):
    """One reason to refuse a file. Rows count from 1 after the header; lines, in text only, from 1 with it."""

    file: str
    row: int | None
    line: int | None
    column: str | None
    reason: str
    cells: int = 1  # of the column that have the same fault; `row` is the first of them

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else f"row {self.row}" if self.row is not None else None
        if self.cells > 1:
            where = "lines" if self.column is None else f"cells in column {self.column}"
            return f"{self.file}: {self.reason}: {self.cells:,} {where}" + (f", first in {place}" if place else "")
        column = None if self.column is None else f"column {self.column}"
        return f"{', '.join(part for part in (self.file, place, column) if part)}: {self.reason}"


class DataRefused(Exception):
    """The data is refused: the first faults in the file's order, and their total number."""

    def __init__(self, faults: Iterable[Fault], total: int | None = None) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.row or 0)[:SHOWN]
        self.total = len(self.faults) if total is None else total
        super().__init__("\n".join(map(str, self.faults)))


def many(number: int, noun: str) -> str:
    """1 step, 2 steps."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def refuse(source: Source, reason: str) -> NoReturn:
    """Refuse the file as a whole. Raises DataRefused."""
    raise DataRefused([Fault(source.file, None, None, None, reason)])
