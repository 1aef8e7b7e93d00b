"""A file of the user's own sequences: how to read it, and why it is refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

SHOWN: Final = 20
"""Faults that are described; the others are counted."""
STDIN: Final = "-"


@dataclass(frozen=True)
class Source:
    """Where sequences come from, and how to cut them, as the user said it."""

    path: str  # "-": CSV on standard input
    sequence_column: str | None = None
    value_column: str | None = None
    target_column: str | None = None
    length: int | None = None  # None: that of the sequences, where they share one
    stride: int = 1
    held_out: float = 0.2  # of the sequences
    seed: int = 26  # of the split alone: a run with another seed holds the same sequences out

    @property
    def file(self) -> str:
        return "standard input" if self.path == STDIN else Path(self.path).name


class Fault(NamedTuple):
    """Why a file is refused. Rows count from 1 after the header; a line, which only text has, from 1 with it."""

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
    """Data that must not be trained on: the first faults in the file's order, and how many there are."""

    def __init__(self, faults: Iterable[Fault], total: int | None = None) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.row or 0)[:SHOWN]
        self.total = len(self.faults) if total is None else total
        super().__init__("\n".join(map(str, self.faults)))
