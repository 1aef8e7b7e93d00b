"""The three topologies as data: the reshape both ways, the parameter arithmetic, the shape errors.

Training, serving and load tests all take their shapes from `TOPOLOGIES`, so shapes cannot drift apart.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Rows

TopologyName = Literal["one_to_one", "many_to_one", "many_to_many"]


class ShapeError(ValueError):
    """A topology cannot take these rows. The message says expected, received and the likely slip."""

    def __init__(self, topology: str, expected: str, received: str, hint: str) -> None:
        super().__init__(f"{topology} expected {expected}; received {received}. {hint}")
        self.topology, self.expected, self.received, self.hint = topology, expected, received, hint


def _flatten(rows: Rows, _time: int) -> Floats:
    return rows.values.reshape(-1, 1, 1)  # (items, 1, 1): each item is a sample of its own


def _stack(rows: Rows, time: int) -> Floats:
    return rows.values.reshape(-1, time, 1)  # (rows, time, 1): all rows are `time` long


def _pad(rows: Rows, time: int) -> Floats:
    if rows.uniform == time:
        return _stack(rows, time)
    # (rows, time, 1), zeros on the right: the network is causal, so the prefix is exact
    padded = np.zeros((len(rows.lengths), time), np.float32)
    if rows.uniform:
        padded[:, : rows.uniform] = rows.values.reshape(-1, rows.uniform)
    else:
        padded[_filled(rows, time)] = rows.values
    return padded[..., None]


def _ravel(outputs: Floats, _rows: Rows) -> Floats:
    return outputs.reshape(-1)


def _unpad(outputs: Floats, rows: Rows) -> Floats:
    time = outputs.shape[1]
    if rows.uniform:
        return np.ascontiguousarray(outputs[:, : rows.uniform, 0]).reshape(-1)
    return outputs[..., 0][_filled(rows, time)]


def _filled(rows: Rows, time: int) -> npt.NDArray[np.bool_]:
    """(rows, time): where an item is, and not padding."""
    return np.arange(time) < np.asarray(rows.lengths)[:, None]


@dataclass(frozen=True)
class Topology:
    """One way to lay sequences out for an LSTM, and to read its answer."""

    name: TopologyName
    any_length: bool  # one model serves every length; otherwise one model serves one length
    return_sequences: bool  # of the LSTM layer
    head: str  # the output layer, in Keras' notation
    model_input: str
    model_output: str
    _to_model: Callable[[Rows, int], Floats]
    _from_model: Callable[[Floats, Rows], Floats]

    def model_name(self, length: int) -> str:
        """The name in the store. The name carries the length where a model serves only one."""
        return self.name if self.any_length else f"{self.name}_{length}"

    def to_model(self, rows: Rows, time: int | None = None) -> Floats:
        """Rows -> the model's input. `time` (many_to_many only) pads on the right; default: the longest row."""
        return self._to_model(rows, time or rows.longest)

    def from_model(self, outputs: Floats, rows: Rows) -> Floats:
        """The model's output for `to_model(rows)` -> (items,) float32, in the order of `rows.values`."""
        return self._from_model(outputs, rows)

    def shapes(self, rows: Rows) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of `to_model(rows)` and of the answer, without computing them. Ragged rows take the longest row's time."""
        if self.name == "one_to_one":
            return (len(rows.values), 1, 1), (len(rows.values), 1)
        shape = (len(rows.lengths), rows.longest, 1)
        return shape, shape if self.return_sequences else shape[:2]

    def outputs(self, length: int) -> int:
        """Width of the output layer."""
        return 1 if self.any_length else length

    def parameters(self, units: int, length: int) -> "ParameterCount":
        """How many weights a model of this topology has."""
        outputs = self.outputs(length)
        return ParameterCount(
            lstm=4 * ((1 + 1) * units + units**2),
            dense=units * outputs + outputs,
            lstm_worked=f"4 * ((1 + 1) * {units} + {units}^2)",
            dense_worked=f"{units} * {outputs} + {outputs}",
        )

    def check(self, rows: Rows) -> None:
        """Raise ShapeError unless a model of this topology can take `rows`."""
        if not rows.lengths:
            raise ShapeError(self.name, "at least one row", "none", "An empty list has nothing to echo.")
        if 0 in rows.lengths:
            place = rows.lengths.index(0)
            raise ShapeError(self.name, "at least one item in each row", f"an empty row at {place}", "Leave empty rows out.")
        if self.any_length:
            return
        if rows.uniform is None:
            seen = sorted(set(rows.lengths))
            listed = ", ".join(map(str, seen[:8])) + (", ..." if len(seen) > 8 else "")
            hint = "Send one request per length: a many_to_one model serves one length, and padding would change its answer."
            raise ShapeError(self.name, "rows of one length", f"rows of lengths {listed}", hint)


class ParameterCount(NamedTuple):
    """Weights per layer, with the sums written out.

    LSTM: four gates, each with a kernel, a recurrent kernel and a bias: 4 * ((inputs + 1) * units + units^2), inputs = 1.
    Dense: inputs * outputs + outputs.
    """

    lstm: int
    dense: int
    lstm_worked: str
    dense_worked: str

    @property
    def total(self) -> int:
        return self.lstm + self.dense


TOPOLOGIES: Final[dict[TopologyName, Topology]] = {
    topology.name: topology
    for topology in (
        Topology(
            name="one_to_one",
            any_length=True,
            return_sequences=False,
            head="Dense(1)",
            model_input="(items, 1, 1)",
            model_output="(items, 1)",
            _to_model=_flatten,
            _from_model=_ravel,
        ),
        Topology(
            name="many_to_one",
            any_length=False,
            return_sequences=False,
            head="Dense(length)",
            model_input="(rows, length, 1)",
            model_output="(rows, length)",
            _to_model=_stack,
            _from_model=_ravel,
        ),
        Topology(
            name="many_to_many",
            any_length=True,
            return_sequences=True,
            head="TimeDistributed(Dense(1))",
            model_input="(rows, time, 1)",
            model_output="(rows, time, 1)",
            _to_model=_pad,
            _from_model=_unpad,
        ),
    )
}
TOPOLOGY_NAMES: Final[tuple[TopologyName, ...]] = get_args(TopologyName)


def parse_model_name(name: str) -> tuple[Topology, int | None] | None:
    """The topology of a name in the store, and its length if the name carries one; None for a foreign name."""
    for topology in TOPOLOGIES.values():
        if topology.any_length and name == topology.name:
            return topology, None
        prefix, _, length = name.rpartition("_")
        if not topology.any_length and prefix == topology.name and re.fullmatch(r"[1-9][0-9]*", length):
            return topology, int(length)
    return None
