"""The user's own sequences as rows to train on and held-out rows. Needs NumPy only.

A row is `length` items of a sequence. Values are stored once, end to end, as float32. A row is the place of its first
item, so overlapping rows cost 8 bytes each.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contract.manifest import DataFacts, Domain
from contract.rows import Floats, Ints


class Rows2D(NamedTuple):
    inputs: Floats  # (rows, length)
    targets: Floats  # (rows, length); equal to the inputs for an echo


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to train on and rows to judge on, in the user's own units."""

    values: Floats  # (items,)
    targets: Floats | None  # (items,); None: an echo
    train: Ints  # (rows,): where in `values` each row starts
    held_out: Ints  # (rows,)
    domain: Domain  # of all values, held-out ones included
    facts: DataFacts

    @property
    def echo(self) -> bool:
        return self.targets is None

    def rows(self, starts: Ints) -> Rows2D:
        """The rows that start at these places."""
        items = starts[:, None] + np.arange(self.facts.length)
        inputs = self.values[items]
        return Rows2D(inputs, inputs if self.targets is None else self.targets[items])

    def held_out_rows(self, most: int) -> Rows2D:
        """At most `most` held-out rows, evenly chosen."""
        return self.rows(self.held_out[:: max(1, -(-len(self.held_out) // most))])

    def save(self, path: Path) -> None:
        """Write everything to an NPZ file, from which an interrupted run continues."""
        facts = json.dumps({"domain": self.domain.model_dump(), "facts": self.facts.model_dump()})
        arrays: dict[str, Any] = {
            "values": self.values,
            "train": self.train,
            "held_out": self.held_out,
            "facts": np.array(facts),
        }
        np.savez(path, allow_pickle=False, **arrays if self.targets is None else arrays | {"targets": self.targets})

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        """Read what `save` wrote. Raises OSError, or ValueError or KeyError for another kind of file."""
        with np.load(path, allow_pickle=False) as saved:
            said = json.loads(saved["facts"].item())
            return cls(
                values=saved["values"],
                targets=saved.get("targets"),
                train=saved["train"],
                held_out=saved["held_out"],
                domain=Domain.model_validate(said["domain"]),
                facts=DataFacts.model_validate(said["facts"]),
            )


def domain_of(values: Floats) -> Domain:
    """From the lowest value to just above the highest, so the highest is inside."""
    return Domain(low=float(values.min()), high=float(np.nextafter(values.max(), np.float32(np.inf))))


def starts_of_rows(lengths: Ints, offsets: Ints, length: int, stride: int) -> Ints:
    """(rows,): where rows of `length` items start. Sequences have `lengths` and begin at `offsets`; a row stays inside one."""
    counts = np.maximum(0, (lengths - length) // stride + 1)
    before = np.cumsum(counts) - counts
    numbers = np.arange(counts.sum()) - np.repeat(before, counts)  # of each row in its sequence
    starts: Ints = np.repeat(offsets, counts) + numbers * stride
    return starts
