"""The user's own sequences, ready to train on: what was said of the file, rows as windows, both sides of the split. NumPy only.

A row is `length` items in a sequence. Values lie end to end, float32, once; a row is only the place where it starts, so that
overlapping rows cost 8 bytes each.
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
    targets: Floats  # (rows, length); the inputs themselves where the task is an echo


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to train on and rows to be judged on, in the user's own units."""

    values: Floats  # (items,)
    targets: Floats | None  # (items,); None: an echo
    train: Ints  # (rows,): where in `values` each row starts
    held_out: Ints  # (rows,)
    domain: Domain  # of the values, both sides of the split
    facts: DataFacts

    @property
    def echo(self) -> bool:
        return self.targets is None

    def rows(self, starts: Ints) -> Rows2D:
        """The rows that start there."""
        items = starts[:, None] + np.arange(self.facts.length)
        inputs = self.values[items]
        return Rows2D(inputs, inputs if self.targets is None else self.targets[items])

    def held_out_rows(self, most: int) -> Rows2D:
        """Held-out rows, evenly chosen where there are more than `most`."""
        return self.rows(self.held_out[:: max(1, -(-len(self.held_out) // most))])

    def save(self, path: Path) -> None:
        """Write all of it to an NPZ file, from which a run that was cut short goes on."""
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
        """What `save` wrote. Raises OSError, or ValueError or KeyError for another file."""
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
    """From the lowest to just above the highest, so that the highest is inside."""
    return Domain(low=float(values.min()), high=float(np.nextafter(values.max(), np.float32(np.inf))))


def starts_of_rows(lengths: Ints, offsets: Ints, length: int, stride: int) -> Ints:
    """(rows,): where the windows of `length` items start in sequences of `lengths` that begin at `offsets`; all inside one."""
    counts = np.maximum(0, (lengths - length) // stride + 1)
    before = np.cumsum(counts) - counts
    numbers = np.arange(counts.sum()) - np.repeat(before, counts)  # of a row in its sequence
    starts: Ints = np.repeat(offsets, counts) + numbers * stride
    return starts
