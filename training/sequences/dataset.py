"""The user's own sequences as rows to train on, rows that choose the best weights, and held-out rows. Needs NumPy only.

Steps are stored once, end to end, as float32. A row is a place and a length, so overlapping rows cost a few bytes each.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from contract.manifest import DataFacts, Domain, Quantity, Task
from contract.rows import Floats, Ints, Rows


class Side(NamedTuple):
    """Rows of one side of the split."""

    starts: Ints  # (rows,): where in `Dataset.values` each row begins
    lengths: Ints  # (rows,): its steps
    answers: Ints  # (rows,): where in `Dataset.targets` its answer is; where each step has one: the answer to its first step

    def __len__(self) -> int:
        return len(self.starts)

    def some(self, most: int) -> "Side":
        """At most `most` rows, evenly chosen."""
        every = slice(None, None, max(1, -(-len(self.starts) // most)))
        return Side(self.starts[every], self.lengths[every], self.answers[every])


NO_ROWS = Side(*(np.empty(0, np.int64) for _ in range(3)))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows with their right answers, in the user's own units.

    The answers are in `targets`:

        echo                   None: the inputs are the answers
        forecast               None: the answers are later steps of `values`, in the columns `target_columns`
        regress                (items, T) float32, an answer for each step; for many_to_one (answers, T), one for each row
        label                  (items,) int64, the number of the class of each step
        classify               (answers,) int64, the number of the class of each row
    """

    task: Task
    per_step: bool  # whether each step has an answer, or each row
    values: Floats  # (items, F)
    targets: Floats | Ints | None
    features: list[Quantity]  # the domain is that of all values, held-out ones included
    goals: list[Quantity]  # what forecast and regress answer with, in order: T of them
    classes: list[str]
    target_columns: list[int]  # of a forecast: which features are its goals
    horizon: int  # of a forecast: steps after a row; 1 where each step has an answer
    train: Side
    validation: Side
    held_out: Side
    facts: DataFacts

    @property
    def uniform(self) -> int | None:
        """The length that all rows of all sides share; None where they differ."""
        return self.facts.length if self.facts.shortest == self.facts.length else None

    def inputs(self, side: Side) -> Rows:
        """The steps of the rows."""
        return Rows(self.values[_places(side.starts, side.lengths)], side.lengths.tolist())

    def answers(self, side: Side) -> Floats | Ints:
        """The right answers: (items, T) or (rows, horizon * T) float32, step by step; of classes (items,) or (rows,) int64."""
        if self.task == "echo":
            return self.inputs(side).values
        if self.task == "forecast" and self.per_step:
            return self.values[_places(side.starts, side.lengths) + 1][:, self.target_columns]
        if self.task == "forecast":
            ahead = (side.starts + side.lengths)[:, None] + np.arange(self.horizon)  # (rows, horizon)
            answers: Floats = self.values[ahead][..., self.target_columns].reshape(len(side.starts), -1)
            return answers
        targets = cast("Floats | Ints", self.targets)
        return targets[_places(side.answers, side.lengths) if self.per_step else side.answers]

    def save(self, path: Path) -> None:
        """Write everything to an NPZ file, from which an interrupted run continues."""
        said = {
            "task": self.task,
            "per_step": self.per_step,
            "features": [feature.model_dump() for feature in self.features],
            "goals": [goal.model_dump() for goal in self.goals],
            "classes": self.classes,
            "target_columns": self.target_columns,
            "horizon": self.horizon,
            "facts": self.facts.model_dump(),
        }
        arrays: dict[str, Any] = {"values": self.values, "said": np.array(json.dumps(said))}
        for name in ("train", "validation", "held_out"):
            arrays |= {f"{name}_{field}": array for field, array in getattr(self, name)._asdict().items()}
        if self.targets is not None:
            arrays["targets"] = self.targets
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        """Read what `save` wrote. Raises OSError, or ValueError or KeyError for another kind of file."""
        with np.load(path, allow_pickle=False) as saved:
            said = json.loads(saved["said"].item())
            sides = {
                name: Side(*(saved[f"{name}_{field}"] for field in Side._fields))
                for name in ("train", "validation", "held_out")
            }
            return cls(
                values=saved["values"],
                targets=saved.get("targets"),
                task=said["task"],
                per_step=said["per_step"],
                features=[Quantity.model_validate(each) for each in said["features"]],
                goals=[Quantity.model_validate(each) for each in said["goals"]],
                classes=said["classes"],
                target_columns=said["target_columns"],
                horizon=said["horizon"],
                facts=DataFacts.model_validate(said["facts"]),
                **sides,
            )


def domain_of(values: Floats) -> Domain:
    """From the lowest value to just above the highest, so the highest is inside."""
    return Domain(low=float(values.min()), high=float(np.nextafter(values.max(), np.float32(np.inf))))


def starts_of_rows(lengths: Ints, offsets: Ints, length: int, stride: int) -> Ints:
    """(rows,): where rows of `length` steps start. Sequences have `lengths` and begin at `offsets`; a row stays inside one."""
    counts = np.maximum(0, (lengths - length) // stride + 1)
    before = np.cumsum(counts) - counts
    numbers = np.arange(counts.sum()) - np.repeat(before, counts)  # of each row in its sequence
    starts: Ints = np.repeat(offsets, counts) + numbers * stride
    return starts


def _places(starts: Ints, lengths: Ints) -> Ints:
    """(items,): starts[0], starts[0] + 1, ..., row after row."""
    ends = np.cumsum(lengths)
    places: Ints = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
    return places
