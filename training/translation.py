"""The translation of a network: LSTM and head as one ONNX graph (`contract/translation.py` has its inputs and outputs).

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
from training.sequences.scaling import Scaling, width

OPSET: Final = 17
"""From 2022, so that older runtimes read the file too."""
IR_VERSION: Final = 8
"""The file format of this opset."""
LARGEST: Final = np.finfo(np.float32).max


class Weights(NamedTuple):
    """The weights of an LSTM layer and the dense layer behind it, in Keras' order."""

    kernel: Floats  # (F, 4 * units)
    recurrent: Floats  # (units, 4 * units)
    bias: Floats  # (4 * units,)
    head: Floats  # (units, K)
    head_bias: Floats  # (K,)


def translate(weights: Weights, per_step: bool, scaling: Scaling | None) -> onnx.ModelProto:
    """`per_step`: an answer for each step (batch, time, K); otherwise one for each row, after its last step (batch, K).

    Raises `onnx.checker.ValidationError` for an invalid graph.
    """
    units, outputs = weights.head.shape
    graph = _Graph()
    first_axis = graph.constant("first_axis", np.array([0]))

    inputs = "sequences"
    if scaling is not None:
        inputs = graph.add("Sub", inputs, graph.constant("inputs_low", np.float32(scaling.inputs.low)))
        inputs = graph.add("Div", inputs, graph.constant("inputs_width", width(scaling.inputs)))
        # No item may be infinite in the network's units: in a packed row it would spoil the neighbours.
        bounds = [graph.constant(name, np.float32(sign * LARGEST)) for name, sign in (("lowest", -1), ("highest", 1))]
        inputs = graph.add("Clip", inputs, *bounds)

    by_time = graph.add("Transpose", inputs, perm=[1, 0, 2])  # (time, batch, F)
    state = [graph.add("Unsqueeze", name, first_axis) for name in ("h", "c")]  # (directions, batch, units)
    lstm = [
        graph.constant("kernel", _gates(weights.kernel).T[None]),  # (directions, 4 * units, F)
        graph.constant("recurrent", _gates(weights.recurrent).T[None]),
        graph.constant("bias", np.concatenate([_gates(weights.bias), np.zeros_like(weights.bias)])[None]),
    ]
    graph.add("LSTM", by_time, *lstm, "lengths", *state, to=["hidden", "last_h", "last_c"], hidden_size=units)
    graph.add("Squeeze", "last_h", first_axis, to=["next_h"])  # (batch, units)
    graph.add("Squeeze", "last_c", first_axis, to=["next_c"])

    hidden = "next_h"
    if per_step:
        hidden = graph.add("Squeeze", "hidden", graph.constant("second_axis", np.array([1])))  # (time, batch, units)
    dense = graph.add("MatMul", hidden, graph.constant("head", weights.head))
    answer = graph.add("Add", dense, graph.constant("head_bias", weights.head_bias))
    if per_step:
        answer = graph.add("Transpose", answer, perm=[1, 0, 2])  # (batch, time, K)
    if scaling is not None:
        answer = graph.add("Mul", answer, graph.constant("targets_width", width(scaling.targets)))
        answer = graph.add("Add", answer, graph.constant("targets_low", np.float32(scaling.targets.low)))
    graph.add("Identity", answer, to=["outputs"])
    return graph.model(len(weights.kernel), units, ("batch", "time", outputs) if per_step else ("batch", outputs))


def pack(weights: Weights, rows: int) -> Weights:
    """Block-diagonal weights for `rows` independent rows in one.

    Adding a product with zero changes no sum, so each row's answer is equal to the last bit.
    """
    kernel, recurrent = (
        np.concatenate([_diagonal(gate, rows) for gate in np.split(each, 4, axis=-1)], axis=-1)
        for each in (weights.kernel, weights.recurrent)
    )
    bias = np.concatenate([np.tile(gate, rows) for gate in np.split(weights.bias, 4)])
    return Weights(kernel, recurrent, bias, _diagonal(weights.head, rows), np.tile(weights.head_bias, rows))


def save(weights: Weights, per_step: bool, scaling: Scaling | None, folder: Path) -> None:
    """Write the translation, and the packed graph where it is faster, into a SavedModel's folder. Raises OSError."""
    _write(translate(weights, per_step, scaling), folder / translation.FILE)
    rows = translation.rows_packed(len(weights.head))
    if rows > 1:
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

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, operator: str, *inputs: str, to: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node. Returns the name of its only output, or of the first in `to`."""
        outputs = to or [f"{operator.lower()}_{len(self._nodes)}"]
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    def model(self, features: int, units: int, output_shape: tuple[str | int, ...]) -> onnx.ModelProto:
        """The model of these nodes, checked, with the inputs and outputs of `contract/translation.py`."""
        state = ("batch", units)
        inputs = [("batch", "time", features), ("batch",), state, state]
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
        onnx.checker.check_model(model, full_check=True)
        return model
