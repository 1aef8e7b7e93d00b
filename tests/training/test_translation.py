"""The ONNX graph beside a SavedModel: what it computes."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from contract import translation as contract
from contract.rows import Floats
from training.sequences.scaling import Scaling
from training.translation import IR_VERSION, LARGEST, OPSET, Layer, Weights, pack, save, translate

RNG = np.random.default_rng(1)


def drawn(features: int, units: int, outputs: int, layers: int = 1) -> Weights:
    """Random weights."""

    def array(*shape: int) -> Floats:
        return RNG.normal(0, 0.4, shape).astype(np.float32)

    first, *upper = (
        Layer(array(inputs, 4 * units), array(units, 4 * units), array(4 * units))
        for inputs in [features, *[units] * (layers - 1)]
    )
    return Weights(*first, array(units, outputs), array(outputs), tuple(upper))


def run(
    model: onnx.ModelProto, inputs: Floats, lengths: Sequence[int] | None = None, state: Sequence[Floats] = ()
) -> list[Any]:
    """Outputs and the next states."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    batch, time, _ = inputs.shape
    zeros = np.zeros((batch, session.get_inputs()[2].shape[1]), np.float32)
    h, c = state or (zeros, zeros)
    steps = np.full(batch, time, np.int32) if lengths is None else np.array(lengths, np.int32)
    found: list[Any] = session.run(None, {"sequences": inputs, "lengths": steps, "h": h, "c": c})
    return found


def by_hand(weights: Weights, row: Floats) -> Floats:
    """(time, F) -> (time, K), by the equations: https://keras.io/api/layers/recurrent_layers/lstm/"""
    values: npt.NDArray[Any] = row
    for layer in weights.layers:
        units = len(layer.recurrent)
        h, c, outputs = np.zeros(units), np.zeros(units), []
        for item in values:
            i, f, g, o = np.split(item @ layer.kernel + h @ layer.recurrent + layer.bias, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            outputs.append(h)
        values = np.array(outputs)
    return np.array(values @ weights.head + weights.head_bias, np.float32)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("per_step", [True, False])
def test_the_graph_has_the_inputs_and_outputs_of_the_contract(per_step: bool, layers: int) -> None:
    model = translate(drawn(3, 5, 2, layers), per_step, None)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert tuple(given.name for given in session.get_inputs()) == contract.INPUTS
    assert tuple(output.name for output in session.get_outputs()) == contract.OUTPUTS
    state = ["batch", 5 * layers]
    assert [given.shape for given in session.get_inputs()] == [["batch", "time", 3], ["batch"], state, state]
    time = ["time"] if per_step else []
    assert [output.shape for output in session.get_outputs()] == [["batch", *time, 2], state, state]
    assert session.get_modelmeta().custom_metadata_map == {contract.LAYERS: str(layers)}


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("features", "units", "outputs"), [(8, 64, 3), (3, 5, 1)])
def test_it_computes_the_equations_of_ragged_rows(features: int, units: int, outputs: int, layers: int) -> None:
    weights = drawn(features, units, outputs, layers)
    inputs = RNG.random((2, 7, features), np.float32)
    each_step, last_step = (run(translate(weights, per_step, None), inputs, [7, 4])[0] for per_step in (True, False))
    for row, length in enumerate((7, 4)):
        wanted = by_hand(weights, inputs[row, :length])
        np.testing.assert_allclose(each_step[row, :length], wanted, atol=2e-5)
        np.testing.assert_allclose(last_step[row], wanted[-1], atol=2e-5)


def test_classes_are_probabilities() -> None:
    weights, inputs = drawn(3, 5, 4), RNG.random((6, 7, 3), np.float32)
    for per_step in (True, False):
        logits, probabilities = (run(translate(weights, per_step, None, softmax), inputs)[0] for softmax in (False, True))
        exponents = np.exp(logits)
        np.testing.assert_allclose(probabilities, exponents / exponents.sum(-1, keepdims=True), atol=1e-6)


def test_each_feature_and_target_has_its_own_scale() -> None:
    low, width, target_low, target_width = (RNG.uniform(1, 9, 3).astype(np.float32) for _ in range(4))
    scaling = Scaling("standard", low, width, target_low, target_width, [])
    weights, inputs = drawn(3, 5, 3), RNG.normal(0, 20, (6, 7, 3)).astype(np.float32)
    scaled, *_ = run(translate(weights, True, scaling), inputs)
    plain, *_ = run(translate(weights, True, None), (inputs - low) / width)
    np.testing.assert_allclose(scaled, plain * target_width + target_low, rtol=1e-5, atol=1e-5)


def windows(features: int, columns: list[int]) -> Scaling:
    zeros = np.zeros(features, np.float32)
    return Scaling("window", zeros, zeros + np.float32(1e-3), None, None, columns)


@pytest.mark.parametrize("length", [1, 2, 7, 36])
def test_windows_are_scaled_as_in_training(length: int) -> None:
    scaling, weights = windows(2, [1, 0, 1]), drawn(2, 5, 3, layers=2)
    inputs = (1000 + RNG.normal(0, [1, 50], (6, length, 2))).astype(np.float32)
    model = translate(weights, False, scaling, length=length)
    plain, *_ = run(translate(weights, False, None), scaling.inputs_to_unit(inputs))
    np.testing.assert_allclose(run(model, inputs)[0], scaling.outputs_from_unit(plain, inputs), rtol=1e-6, atol=1e-4)
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == length


def test_windows_need_a_length_and_nothing_else_has_one() -> None:
    for scaling, length in ((windows(1, [0]), None), (None, 5)):
        with pytest.raises(ValueError, match="length with scaling by window"):
            translate(drawn(1, 5, 1), False, scaling, length=length)


@pytest.mark.parametrize("case", ["last step", "each step", "classes", "classes of steps", "windows", "windows, one feature"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_row_answers_alike_to_the_last_bit_alone_and_in_any_company(case: str, layers: int) -> None:
    """Sums over the axis of time are additions of halves: ONNX Runtime's ReduceSum differs in 342 of 419 shapes."""
    features = 1 if case.endswith("one feature") else 3
    per_step, scaled = case in ("each step", "classes of steps"), case.startswith("windows")
    one = np.ones(features, np.float32)
    scaling = windows(features, [0] * 4) if scaled else Scaling("standard", 3 * one, 7 * one, None, None, [])
    for length in (1, 2, 9, 37, 64):
        model = translate(drawn(features, 12, 4, layers), per_step, scaling, "classes" in case, length if scaled else None)
        inputs = RNG.normal(3, 20, (33, length, features)).astype(np.float32)
        lengths = np.full(33, length) if scaled else RNG.integers(1, length + 1, 33)
        together, *_ = run(model, inputs, lengths.tolist())
        for row in (0, 1, 15, 32):
            steps = lengths[row]
            alone, *_ = run(model, inputs[row : row + 1, :steps], [steps])
            assert np.array_equal(alone[0], together[row, :steps] if per_step else together[row])


@pytest.mark.parametrize("layers", [1, 3])
def test_steps_with_state_equal_the_whole_sequence_to_the_last_bit(layers: int) -> None:
    model = translate(drawn(2, 5, 1, layers), True, None)
    row = RNG.random((1, 300, 2), np.float32)
    whole, *last = run(model, row)
    state: list[Floats] = []
    for start, stop in pairwise([0, 1, 2, 3, 50, 51, 300]):
        output, *state = run(model, row[:, start:stop], state=state)
        assert np.array_equal(output, whole[:, start:stop])
    assert all(np.array_equal(given, wanted) for given, wanted in zip(state, last, strict=True))


@pytest.mark.parametrize("per_step", [True, False])
@pytest.mark.parametrize(("features", "units", "outputs"), [(1, 5, 1), (3, 7, 2), (1, 20, 10)])
def test_packed_rows_answer_as_single_rows_to_the_last_bit(per_step: bool, features: int, units: int, outputs: int) -> None:
    weights, rows = drawn(features, units, outputs), contract.rows_packed(units)
    inputs = RNG.normal(5, 9, (2 * rows + 1, 9, features)).astype(np.float32)
    low, width = RNG.uniform(1, 9, (2, features)).astype(np.float32)
    target_low, target_width = RNG.uniform(1, 9, (2, outputs)).astype(np.float32)
    for scaling in (None, Scaling("standard", low, width, target_low, target_width, [])):
        alone, *_ = run(translate(weights, per_step, scaling), inputs)
        packed, *_ = run(translate(pack(weights, rows), per_step, scaling), contract.pack(inputs, rows))
        assert np.array_equal(contract.unpack(packed, rows, len(inputs)), alone)


def test_only_one_layer_without_windows_or_classes_has_a_packed_graph(tmp_path: Path) -> None:
    (tmp_path / "assets.extra").mkdir()

    def packed(weights: Weights, scaling: Scaling | None = None, softmax: bool = False, length: int | None = None) -> bool:
        (tmp_path / contract.PACKED).unlink(missing_ok=True)
        save(weights, False, scaling, tmp_path, softmax, length)
        return (tmp_path / contract.PACKED).exists()

    assert packed(drawn(3, 5, 2))
    assert not packed(drawn(3, 40, 2))  # too wide
    assert not packed(drawn(3, 5, 2, layers=2))
    assert not packed(drawn(3, 5, 2), softmax=True)
    assert not packed(drawn(3, 5, 2), windows(3, [0, 1]), length=7)


def first_graph(weights: Weights, per_step: bool, low: float, width: np.float32) -> onnx.ModelProto:
    """The graph of the first contract, for one feature: scaling by one number."""
    kernel, recurrent, bias = (
        np.concatenate([np.split(each, 4, axis=-1)[gate] for gate in (0, 3, 1, 2)], axis=-1) for each in weights[:3]
    )
    constants: dict[str, Any] = {
        "low": np.float32(low),
        "width": width,
        "lowest": np.float32(-LARGEST),
        "highest": np.float32(LARGEST),
        "first": np.array([0]),
        "second": np.array([1]),
        "kernel": kernel.T[None],
        "recurrent": recurrent.T[None],
        "bias": np.concatenate([bias, np.zeros_like(bias)])[None],
        "head": weights.head,
        "head_bias": weights.head_bias,
    }
    lines: list[tuple[str, str, str, dict[str, Any]]] = [
        ("Sub", "sequences low", "a", {}),
        ("Div", "a width", "b", {}),
        ("Clip", "b lowest highest", "x", {}),
        ("Transpose", "x", "t", {"perm": [1, 0, 2]}),
        ("Unsqueeze", "h first", "hs", {}),
        ("Unsqueeze", "c first", "cs", {}),
        ("LSTM", "t kernel recurrent bias lengths hs cs", "y last_h last_c", {"hidden_size": len(weights.head)}),
        ("Squeeze", "last_h first", "next_h", {}),
        ("Squeeze", "last_c first", "next_c", {}),
        ("Squeeze", "y second", "ys", {}),
        ("MatMul", f"{'ys' if per_step else 'next_h'} head", "m", {}),
        ("Add", "m head_bias", "n", {}),
        *([("Transpose", "n", "o", {"perm": [1, 0, 2]})] if per_step else [("Identity", "n", "o", {})]),
        ("Mul", "o width", "p", {}),
        ("Add", "p low", "outputs", {}),
    ]
    units, outputs = weights.head.shape
    graph = helper.make_graph(
        [helper.make_node(operator, given.split(), to.split(), **more) for operator, given, to, more in lines],
        "first",
        [
            helper.make_tensor_value_info("sequences", TensorProto.FLOAT, ("batch", "time", 1)),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ("batch",)),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", units)) for name in ("h", "c")),
        ],
        [
            helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ("batch", *["time"] * per_step, outputs)),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", units)) for name in ("next_h", "next_c")),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


@pytest.mark.parametrize(("per_step", "outputs"), [(True, 1), (False, 1), (False, 5)])
def test_an_echo_answers_as_under_the_first_contract_to_the_last_bit(per_step: bool, outputs: int) -> None:
    for low, high in ((1000.0, 1050.7), (-3e6, 5e6), (0.1, 0.3)):
        lowest = np.array([low], np.float32)
        width = np.array([high], np.float32) - lowest
        scaling = Scaling("domain", lowest, width, np.tile(lowest, outputs), np.tile(width, outputs), [])
        weights = drawn(1, 5, outputs)
        inputs = RNG.uniform(low, high, (33, 9, 1)).astype(np.float32)
        lengths, state = RNG.integers(1, 10, 33).tolist(), [RNG.normal(0, 0.5, (33, 5)).astype(np.float32) for _ in range(2)]
        now = run(translate(weights, per_step, scaling), inputs, lengths, state)
        then = run(first_graph(weights, per_step, low, width[0]), inputs, lengths, state)
        assert [given.tobytes() for given in now] == [wanted.tobytes() for wanted in then]
