"""The three topologies as data: the reshape both ways, the parameter arithmetic, the shape errors.

Training, serving and load tests all take their shapes from `TOPOLOGIES`, so shapes cannot drift apart. F is the number of
features of a step, K the number of outputs of a step or of a row.
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
    """A model cannot take these rows. The message says expected, received and the likely slip."""

    def __init__(self, model: str, expected: str, received: str, hint: str) -> None:
        super().__init__(f"{model} expected {expected}; received {received}. {hint}")
        self.model, self.expected, self.received, self.hint = model, expected, received, hint


def _flatten(rows: Rows, _time: int) -> Floats:
    return rows.values[:, None]  # (items, 1, F): each item is a sample of its own


def _pad(rows: Rows, time: int) -> Floats:
    if rows.uniform == time:
        return rows.values.reshape(-1, time, rows.features)
    # (rows, time, F), zeros on the right: the network is causal, so the prefix is exact
    padded = np.zeros((len(rows.lengths), time, rows.features), np.float32)
    if rows.uniform:
        padded[:, : rows.uniform] = rows.values.reshape(-1, rows.uniform, rows.features)
    else:
        padded[_filled(rows, time)] = rows.values
    return padded


def _as_it_is(outputs: Floats, _rows: Rows) -> Floats:
    return outputs


def _unpad(outputs: Floats, rows: Rows) -> Floats:
    time, width = outputs.shape[1:]
    if rows.uniform:
        return outputs[:, : rows.uniform].reshape(-1, width)
    return outputs[_filled(rows, time)]


def _filled(rows: Rows, time: int) -> npt.NDArray[np.bool_]:
    """(rows, time): where an item is, and not padding."""
    return np.arange(time) < np.asarray(rows.lengths)[:, None]


@dataclass(frozen=True)
class Topology:
    """One way to lay sequences out for an LSTM, and to read its answer."""

    name: TopologyName
    per_step: bool  # an answer for each step; otherwise one for each row
    return_sequences: bool  # of the last LSTM layer
    head: str  # the output layer, in Keras' notation; F and K in braces here and below
    model_input: str
    model_output: str
    _to_model: Callable[[Rows, int], Floats]
    _from_model: Callable[[Floats, Rows], Floats]

    def echo_name(self, length: int) -> str:
        """The name of the echo in the store. It carries the length where a model serves only one."""
        return self.name if self.per_step else f"{self.name}_{length}"

    def to_model(self, rows: Rows, time: int | None = None) -> Floats:
        """Rows -> the model's input. `time` pads on the right, except for one_to_one; default: the longest row."""
        return self._to_model(rows, time or rows.longest)

    def from_model(self, outputs: Floats, rows: Rows) -> Floats:
        """The model's output for `to_model(rows)` -> (items, K), in the order of `rows.values`; many_to_one: (rows, K)."""
        return self._from_model(outputs, rows)

    def shapes(self, rows: Rows, outputs: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of `to_model(rows)` and of the answer, without computing them. Ragged rows take the longest row's time."""
        items, features = rows.values.shape
        if self.name == "one_to_one":
            return (items, 1, features), (items, outputs)
        batch, time = len(rows.lengths), rows.longest
        return (batch, time, features), (batch, time, outputs) if self.per_step else (batch, outputs)

    def drawn(self, units: int, features: int = 1, outputs: int = 1, layers: int = 1) -> str:
        """The layers with their shapes, from the input to the answer."""
        parts = [self.model_input, *[f"LSTM({units})"] * layers, self.head, self.model_output]
        return " -> ".join(parts).format(F=features, K=outputs)

    def parameters(self, units: int, features: int = 1, outputs: int = 1, layers: int = 1) -> "ParameterCount":
        """How many weights a model of this topology has."""
        inputs = [features] + [units] * (layers - 1)  # of each layer
        return ParameterCount(
            lstm=sum(4 * ((each + 1) * units + units**2) for each in inputs),
            dense=units * outputs + outputs,
            lstm_worked=" + ".join(f"4 * (({each} + 1) * {units} + {units}^2)" for each in inputs),
            dense_worked=f"{units} * {outputs} + {outputs}",
        )

    def check(self, rows: Rows, one_length: bool = False, model: str | None = None) -> None:
        """Raise ShapeError unless a model of this topology can take `rows`. `one_length`: the model takes no ragged rows."""
        model = model or self.name
        if not rows.lengths:
            raise ShapeError(model, "at least one row", "none", "An empty list has nothing to answer.")
        if 0 in rows.lengths:
            place = rows.lengths.index(0)
            raise ShapeError(model, "at least one item in each row", f"an empty row at {place}", "Leave empty rows out.")
        if one_length and rows.uniform is None:
            seen = sorted(set(rows.lengths))
            listed = ", ".join(map(str, seen[:8])) + (", ..." if len(seen) > 8 else "")
            hint = "Send one request per length: the model serves one length, and padding would change its answer."
            raise ShapeError(model, "rows of one length", f"rows of lengths {listed}", hint)


class ParameterCount(NamedTuple):
    """Weights per layer, with the sums written out.

    LSTM: four gates, each with a kernel, a recurrent kernel and a bias: 4 * ((inputs + 1) * units + units^2), where inputs is
    F for the first layer, and units for the others. Dense: inputs * outputs + outputs.
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
            per_step=True,
            return_sequences=False,
            head="Dense({K})",
            model_input="(items, 1, {F})",
            model_output="(items, {K})",
            _to_model=_flatten,
            _from_model=_as_it_is,
        ),
        Topology(
            name="many_to_one",
            per_step=False,
            return_sequences=False,
            head="Dense({K})",
            model_input="(rows, time, {F})",
            model_output="(rows, {K})",
            _to_model=_pad,
            _from_model=_as_it_is,
        ),
        Topology(
            name="many_to_many",
            per_step=True,
            return_sequences=True,
            head="TimeDistributed(Dense({K}))",
            model_input="(rows, time, {F})",
            model_output="(rows, time, {K})",
            _to_model=_pad,
            _from_model=_unpad,
        ),
    )
}
TOPOLOGY_NAMES: Final[tuple[TopologyName, ...]] = get_args(TopologyName)
NAME: Final = r"[a-z][a-z0-9_-]{0,62}"
"""The pattern of a model's name."""


def parse_echo_name(name: str) -> tuple[Topology, int | None] | None:
    """The topology of an echo's name, and its length if the name carries one; None for every other name."""
    for topology in TOPOLOGIES.values():
        if topology.per_step and name == topology.name:
            return topology, None
        prefix, _, length = name.rpartition("_")
        if not topology.per_step and prefix == topology.name and re.fullmatch(r"[1-9][0-9]*", length):
            return topology, int(length)
    return None


def check_own_name(name: str) -> str:
    """Return a name for a model of one's own. Raises ValueError where it is malformed, or belongs to the echo."""
    if not re.fullmatch(NAME, name):
        raise ValueError(
            f"expected a name of lower-case letters, digits, - and _, with a letter first, such as stocks; received {name!r}"
        )
    if name in TOPOLOGIES or parse_echo_name(name) is not None:
        raise ValueError(f"{name} is the name of an echo: choose another, such as {name.replace('_', '-')}-own")
    return name
