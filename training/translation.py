"""The translation of a network: scaling, LSTM layers, head and softmax as one ONNX graph.

`contract/translation.py` has the graph's inputs and outputs.
No converter is needed, since `LSTM` is a standard operator. Keras orders the gates i, f, c, o and ONNX i, o, f, c. ONNX has
transposed kernels, time before batch, and a second bias, which is zero here.
https://onnx.ai/onnx/operators/onnx__LSTM.html
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from contract import translation
from contract.rows import Floats
from training.sequences.scaling import Scaling

OPSET: Final = 17
"""From 2022, so that older runtimes read the file too."""
IR_VERSION: Final = 8
"""The file format of this opset."""
LARGEST: Final = np.finfo(np.float32).max


class Layer(NamedTuple):
    """The weights of an LSTM layer, in Keras' order."""

    kernel: Floats  # (inputs, 4 * units)
    recurrent: Floats  # (units, 4 * units)
    bias: Floats  # (4 * units,)


class Weights(NamedTuple):
    """The weights of the first LSTM layer, of the dense layer, and of the LSTM layers in between, in Keras' order."""

    kernel: Floats  # (F, 4 * units)
    recurrent: Floats  # (units, 4 * units)
    bias: Floats  # (4 * units,)
    head: Floats  # (units, K)
    head_bias: Floats  # (K,)
    upper: tuple[Layer, ...] = ()  # the second LSTM layer, and so on

    @property
    def layers(self) -> list[Layer]:
        return [Layer(self.kernel, self.recurrent, self.bias), *self.upper]


def translate(
    weights: Weights, per_step: bool, scaling: Scaling | None, softmax: bool = False, length: int | None = None
) -> onnx.ModelProto:
    """`per_step`: an answer for each step (batch, time, K); otherwise one for each row, after its last step (batch, K).

    `softmax`: the answers are probabilities. `length`: the steps of every row, for scaling by window only.

    Raises ValueError for a scaling by window without a length, and `onnx.checker.ValidationError` for an invalid graph.
    """
    if (scaling is not None and scaling.kind == "window") != (length is not None):
        raise ValueError("expected the rows' length with scaling by window, and only with it")
    graph = _Graph()
    windows = None if scaling is None or length is None else _Windows(graph, scaling, length)
    if windows is not None:
        by_time = windows.unit
    else:
        inputs = "sequences" if scaling is None else _affine_inputs(graph, scaling, len(weights.kernel))
        by_time = graph.add("Transpose", inputs, perm=[1, 0, 2])  # (time, batch, F)

    hidden = _lstm_layers(graph, weights.layers, by_time, per_step)
    dense = graph.add("MatMul", hidden, graph.constant("head", weights.head))
    answer = graph.add("Add", dense, graph.constant("head_bias", weights.head_bias))
    if per_step:
        answer = graph.add("Transpose", answer, perm=[1, 0, 2])  # (batch, time, K)
    if softmax:
        answer = graph.add("Softmax", answer, axis=-1)
    elif windows is not None and scaling is not None and scaling.columns:
        answer = windows.back(answer, scaling.columns)
    elif scaling is not None and scaling.target_low is not None and scaling.target_width is not None:
        rows = weights.head.shape[1] // len(scaling.target_low)  # of a packed row
        answer = graph.add("Mul", answer, graph.constant("targets_width", np.tile(scaling.target_width, rows)))
        answer = graph.add("Add", answer, graph.constant("targets_low", np.tile(scaling.target_low, rows)))
    graph.add("Identity", answer, to=["outputs"])
    return graph.model(weights, per_step, "time" if windows is None else length)


def _affine_inputs(graph: "_Graph", scaling: Scaling, features: int) -> str:
    """(batch, time, F) in the network's units."""
    rows = features // len(scaling.low)  # of a packed row
    inputs = graph.add("Sub", "sequences", graph.constant("inputs_low", np.tile(scaling.low, rows)))
    inputs = graph.add("Div", inputs, graph.constant("inputs_width", np.tile(scaling.width, rows)))
    # No item may be infinite in the network's units: in a packed row it would spoil the neighbours.
    bounds = [graph.constant(name, np.float32(sign * LARGEST)) for name, sign in (("lowest", -1), ("highest", 1))]
    return graph.add("Clip", inputs, *bounds)


def _lstm_layers(graph: "_Graph", layers: Sequence[Layer], by_time: str, per_step: bool) -> str:
    """(time, batch, F) -> the last layer's outputs, (time, batch, units), or (batch, units) after the last step."""
    first_axis = graph.constant("first_axis", np.array([0]))
    units = [len(layer.recurrent) for layer in layers]
    states = {name: graph.split(name, units, axis=1) if len(layers) > 1 else [name] for name in ("h", "c")}
    after: dict[str, list[str]] = {"h": [], "c": []}
    hidden = by_time
    for number, layer in enumerate(layers):
        suffix = f"_{number + 1}" if number else ""
        constants = [
            graph.constant(f"kernel{suffix}", _gates(layer.kernel).T[None]),  # (directions, 4 * units, inputs)
            graph.constant(f"recurrent{suffix}", _gates(layer.recurrent).T[None]),
            graph.constant(f"bias{suffix}", np.concatenate([_gates(layer.bias), np.zeros_like(layer.bias)])[None]),
        ]
        state = [graph.add("Unsqueeze", states[name][number], first_axis) for name in ("h", "c")]  # (directions, batch, units)
        to = [f"{name}{suffix}" for name in ("hidden", "last_h", "last_c")]
        graph.add("LSTM", hidden, *constants, "lengths", *state, to=to, hidden_size=len(layer.recurrent))
        for name, last in zip(after, to[1:], strict=True):
            after[name].append(graph.add("Squeeze", last, first_axis, to=() if len(layers) > 1 else [f"next_{name}"]))
        if per_step or number + 1 < len(layers):
            hidden = graph.add("Squeeze", to[0], graph.constant("second_axis", np.array([1])))  # (time, batch, units)
    if len(layers) > 1:
        for name, each in after.items():
            graph.add("Concat", *each, to=[f"next_{name}"], axis=1)
    return hidden if per_step else after["h"][-1]


class _Windows:
    """Scales each row by its own mean and deviation, as `training.sequences.scaling` does, and in the same order of sums.

    ONNX Runtime's sums over an axis depend on the shape of the batch; additions of halves do not.
    """

    def __init__(self, graph: "_Graph", scaling: Scaling, length: int) -> None:
        self._graph = graph
        first_axis = graph.constant("first_axis", np.array([0]))
        steps = graph.constant("steps", np.float32(length))
        by_time = graph.add("Transpose", "sequences", perm=[1, 0, 2])  # (time, batch, F)
        last = graph.add("Gather", by_time, graph.constant("last_step", np.array([length - 1])), axis=0)  # (1, batch, F)
        away = graph.add("Sub", by_time, last)
        mean = graph.add("Div", self._sum(away, length), steps)
        centred = graph.add("Sub", away, mean)
        variance = graph.add("Div", self._sum(graph.add("Mul", centred, centred), length), steps)
        least = graph.constant("least_variance", scaling.width * scaling.width)
        deviation = graph.add("Sqrt", graph.add("Add", variance, least))
        self.unit = graph.add("Div", centred, deviation)  # (time, batch, F)
        self._deviation = graph.add("Squeeze", deviation, first_axis)  # (batch, F)
        self._mean = graph.add("Squeeze", graph.add("Add", mean, last), first_axis)

    def back(self, answer: str, columns: list[int]) -> str:
        """(batch, K) in the network's units -> in the user's."""
        picked = self._graph.constant("columns", np.array(columns))
        answer = self._graph.add("Mul", answer, self._graph.add("Gather", self._deviation, picked, axis=1))
        return self._graph.add("Add", answer, self._graph.add("Gather", self._mean, picked, axis=1))

    def _sum(self, values: str, steps: int) -> str:
        """(time, batch, F) -> (1, batch, F)."""
        odd: list[str] = []
        while steps > 1:
            half, rest = divmod(steps, 2)
            lower, upper, *last = self._graph.split(values, [half, half] + [1] * rest)
            odd += last
            values, steps = self._graph.add("Add", lower, upper), half
        for each in odd:
            values = self._graph.add("Add", values, each)
        return values


def pack(weights: Weights, rows: int) -> Weights:
    """Block-diagonal weights for `rows` independent rows in one.

    Adding a product with zero changes no sum, so each row's answer is equal to the last bit. For one LSTM layer.
    """
    kernel, recurrent = (
        np.concatenate([_diagonal(gate, rows) for gate in np.split(each, 4, axis=-1)], axis=-1)
        for each in (weights.kernel, weights.recurrent)
    )
    bias = np.concatenate([np.tile(gate, rows) for gate in np.split(weights.bias, 4)])
    return Weights(kernel, recurrent, bias, _diagonal(weights.head, rows), np.tile(weights.head_bias, rows))


def save(
    weights: Weights,
    per_step: bool,
    scaling: Scaling | None,
    folder: Path,
    softmax: bool = False,
    length: int | None = None,
) -> None:
    """Write the translation, and the packed graph where it is faster, into a SavedModel's folder. Raises OSError."""
    _write(translate(weights, per_step, scaling, softmax, length), folder / translation.FILE)
    rows = translation.rows_packed(len(weights.head))
    if rows > 1 and not (weights.upper or softmax or length):
        _write(translate(pack(weights, rows), per_step, scaling), folder / translation.PACKED)


def _write(model: onnx.ModelProto, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _diagonal(block: Floats, times: int) -> Floats:
    """(rows, columns) -> (times * rows, times * columns): the block along the diagonal, zeros elsewhere."""
    return np.kron(np.eye(times, dtype=np.float32), block)


def _gates(keras: Floats) -> Floats:
    """Reorder the gates in the last axis from Keras' order to ONNX'."""
    i, f, c, o = np.split(keras, 4, axis=-1)
    return np.concatenate([i, o, f, c], axis=-1)


class _Graph:
    """Collects nodes and constants in order. A node's output is named after the node."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._splits = 0

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, operator: str, *inputs: str, to: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node. Returns the name of its only output, or of the first in `to`."""
        outputs = to or [f"{operator.lower()}_{len(self._nodes)}"]
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    def split(self, name: str, sizes: list[int], axis: int = 0) -> list[str]:
        """The parts of these sizes along an axis."""
        self._splits += 1
        parts = [f"split_{self._splits}_{number}" for number in range(len(sizes))]
        constant = self.constant(f"sizes_{self._splits}", np.array(sizes))
        self.add("Split", name, constant, to=parts, axis=axis)
        return parts

    def model(self, weights: Weights, per_step: bool, time: str | int | None) -> onnx.ModelProto:
        """The model of these nodes, checked, with the inputs and outputs of `contract/translation.py`."""
        outputs = weights.head.shape[1]
        output_shape = ("batch", time, outputs) if per_step else ("batch", outputs)
        state = ("batch", len(weights.layers) * len(weights.head))
        inputs = [("batch", time, len(weights.kernel)), ("batch",), state, state]
        types = [TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT for name in translation.INPUTS]
        graph = helper.make_graph(
            self._nodes,
            "translation",
            [helper.make_tensor_value_info(*each) for each in zip(translation.INPUTS, types, inputs, strict=True)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in zip(translation.OUTPUTS, (output_shape, state, state), strict=True)
            ],
            list(self._constants.values()),
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="unroll")
        helper.set_model_props(model, {translation.LAYERS: str(len(weights.layers))})
        onnx.checker.check_model(model, full_check=True)
        return model
