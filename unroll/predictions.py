"""What a model answered: the same from `load`, from the clients, and from `unroll predict`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from contract.manifest import Task
from contract.rows import Floats, Ints
from contract.topologies import TOPOLOGIES, TopologyName

Array = TypeVar("Array", bound=npt.NDArray[Any])


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The answers to all rows, in their order."""

    model: str
    version: str  # that answered every row
    task: Task
    topology: TopologyName
    classes: tuple[str, ...]  # the order of the probabilities; empty: the model answers with numbers
    values: Floats  # (items, K) where each step has an answer, else (rows, K)
    lengths: Ints  # (rows,): the steps of each row
    in_domain: npt.NDArray[np.bool_]  # (rows,): whether a row is like those on which the model was trained and gated
    names: npt.NDArray[Any] | None = None  # (rows,): of the sequences, where a data frame names them

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def outputs(self) -> Floats | list[Floats]:
        """The model's numbers; of classes, the probabilities.

        (rows, K) where a row has one answer. Where each step has one: (rows, time, K), or (rows, time) if K is 1; a list with
        an array for each row where rows differ in length.
        """
        return self._by_rows(self.values if self.values.shape[1] > 1 or not self._per_step else self.values[:, 0])

    @property
    def probabilities(self) -> Floats | list[Floats] | None:
        """`outputs` of a model with classes, else None."""
        return self.outputs if self.classes else None

    @cached_property
    def labels(self) -> npt.NDArray[np.str_] | list[npt.NDArray[np.str_]] | None:
        """The most probable class of each row, or of each row and step; None without classes."""
        if not self.classes:
            return None
        return self._by_rows(np.array(self.classes)[self.values.argmax(axis=1)])

    @property
    def _per_step(self) -> bool:
        return TOPOLOGIES[self.topology].per_step

    def _by_rows(self, values: Array) -> Array | list[Array]:
        if not self._per_step:
            return values
        if (self.lengths == self.lengths[0]).all():
            return values.reshape(len(self), -1, *values.shape[1:])  # type: ignore[return-value]
        return np.split(values, np.cumsum(self.lengths)[:-1])  # type: ignore[return-value]

    def __repr__(self) -> str:
        outside = int((~self.in_domain).sum())
        rows = f"{len(self):,} row{'s' * (len(self) != 1)}" + (f", {outside:,} out of the domain" if outside else "")
        shape = self.outputs.shape if isinstance(self.outputs, np.ndarray) else f"a list of {len(self.outputs):,} arrays"
        fields = f"outputs {shape}" + (f", labels of {', '.join(self.classes[:8])}" if self.classes else "")
        return f"<Prediction of {self.model}@{self.version}: {self.task}, {rows}; {fields}>"


def joined(parts: Sequence[Prediction]) -> Prediction:
    """The parts of one call, all answered by one version."""
    first = parts[0]
    if len(parts) == 1:
        return first
    values, lengths, in_domain = (
        np.concatenate([getattr(part, field) for part in parts]) for field in ("values", "lengths", "in_domain")
    )
    return Prediction(
        first.model, first.version, first.task, first.topology, first.classes, values, lengths, in_domain, first.names
    )
