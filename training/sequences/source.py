"""A file of the user's own sequences: how to read it, and why it was refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

SHOWN: Final = 20
"""So many faults are described; the others are counted."""
STDIN: Final = "-"


@dataclass(frozen=True)
class Source:
    """The user's choice of a file, its columns, and how to cut and split its sequences."""

    path: str  # "-": CSV on standard input
    sequence_column: str | None = None
    value_column: str | None = None
    target_column: str | None = None
    length: int | None = None  # None: the sequences' own length, if they share one
    stride: int = 1
    held_out: float = 0.2  # share of the sequences
    seed: int = 26  # of the split only: runs with other seeds hold out the same sequences

    @property
    def file(self) -> str:
        return "standard input" if self.path == STDIN else Path(self.path).name


class Fault(NamedTuple):
    """One reason to refuse a file. Rows count from 1 after the header; lines, in text only, from 1 with it."""

    file: str
    row: int | None
    line: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else f"row {self.row}" if self.row is not None else None
        column = None if self.column is None else f"column {self.column}"
        return f"{', '.join(part for part in (self.file, place, column) if part)}: {self.reason}"


class DataRefused(Exception):
    """The data is refused: the first faults in the file's order, and their total number."""

    def __init__(self, faults: Iterable[Fault], total: int | None = None) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.row or 0)[:SHOWN]
        self.total = len(self.faults) if total is None else total
        super().__init__("\n".join(map(str, self.faults)))
