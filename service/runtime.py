"""A SavedModel as something to call: arrays in, arrays out."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from contract.topologies import Floats, Topology
from service.graph import Weights, fingerprint
from service.program import Program


class Runtime(Protocol):
    """A model that can be run."""

    def predict(self, inputs: Floats) -> Floats:
        """`Topology.to_model(rows)`, of a time in `buckets` and at most `most_rows`, -> what `Topology.from_model` takes."""

    def predict_long(self, row: Floats) -> Floats:
        """(items,) -> (items,) for one row beyond the longest time; for topologies that carry state only."""

    def seconds(self, rows: int, time: int) -> float:
        """How long `predict` is expected to take, from how long it took."""

    def serve(self) -> None:
        """From now on compile in the background what is asked for; before, that would only slow the other models' loading."""

    def prepare_like(self, other: "Runtime") -> bool:
        """Compile here and now what `other`, whose place this is to take, has compiled. Whether anything was."""


class SavedModel:
    """One version: its weights, and the program that it shares with versions that differ in nothing else."""

    def __init__(self, program: Program, weights: Weights) -> None:
        self.program, self._weights = program, weights

    def predict(self, inputs: Floats) -> Floats:
        return self.program.predict(self._weights, inputs)

    def predict_long(self, row: Floats) -> Floats:
        return self.program.predict_long(self._weights, row)

    def seconds(self, rows: int, time: int) -> float:
        return self.program.seconds(rows, time)

    def serve(self) -> None:
        self.program.serve()

    def settle(self) -> None:
        """Wait until every shape that was asked for so far is compiled."""
        self.program.settle()

    def prepare_like(self, other: Runtime) -> bool:
        if not isinstance(other, SavedModel) or other.program is self.program:
            return False
        return self.program.compile(other.program.compiled)


class SavedModels:
    """Loads versions; programs live as long as a version that uses them. `pace` is called between the steps."""

    def __init__(self, pace: Callable[[], None] = lambda: None) -> None:
        self._pace = pace
        self._programs: WeakValueDictionary[tuple[str, str, int], Program] = WeakValueDictionary()

    def load(self, folder: Path, topology: Topology, length: int, labels: tuple[str, str]) -> SavedModel:
        """`labels` are those of `metrics.MODEL`. Raises whatever TensorFlow does of files that are none of its own."""
        key = (fingerprint(folder, self._pace), topology.name, length)
        self._pace()
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = Program(folder, topology, length, labels)
        return SavedModel(program, Weights.read(folder, program.variables, labels, self._pace))
