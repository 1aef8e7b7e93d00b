"""The ONNX graph beside a SavedModel: its contents, and the faults that the gate refuses."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from contract import translation as contract
from contract.manifest import Figure
from contract.rows import Floats
from tests.conftest import ROOT
from tests.training.conftest import Trained, own_data
from training import translation
from training.gate import Translated, judge_translation
from training.networks import build, export, weights_of
from training.recipes import GENERAL, Plan, plan
from training.sequences.scaling import Scaling
from training.translation import Weights, pack, translate

Fault = Callable[[Weights, Plan], onnx.ModelProto]


def refused(trained: Trained) -> set[str]:
    figures = judge_translation(trained.model, trained.folder, trained.plan)
    return {figure.name for figure in figures if not figure.passed}


def test_the_graph_has_the_inputs_and_outputs_of_the_contract(trained: Trained) -> None:
    session = onnxruntime.InferenceSession(trained.folder / contract.FILE, providers=["CPUExecutionProvider"])
    assert tuple(given.name for given in session.get_inputs()) == contract.INPUTS
    assert tuple(output.name for output in session.get_outputs()) == contract.OUTPUTS
    assert [given.shape for given in session.get_inputs()] == [["batch", "time", 1], ["batch"], ["batch", 5], ["batch", 5]]
    time = ["time"] if trained.plan.topology.return_sequences else []
    assert session.get_outputs()[0].shape == ["batch", *time, trained.plan.topology.outputs(5)]


def test_the_gate_compares_the_translation_with_the_savedmodel(trained: Trained, judged: dict[str, Figure]) -> None:
    onnx_figures = {name for name in judged if name.startswith("ONNX")}
    steps = {"ONNX against SavedModel, step by step"} if trained.plan.topology.return_sequences else set()
    always = {
        "ONNX against SavedModel",
        "ONNX against SavedModel, packed",
        "ONNX against Keras, a step from any state",
        "ONNX, alone against in a batch",
    }
    assert onnx_figures == always | steps
    assert judged["ONNX, alone against in a batch"].value == 0


def test_many_features_wide_layers_and_several_outputs_translate_too() -> None:
    rng = np.random.default_rng(1)
    shapes = ((8, 4 * 64), (64, 4 * 64), (4 * 64,), (64, 3), (3,))
    weights = Weights(*(rng.normal(0, 0.2, shape).astype(np.float32) for shape in shapes))
    session = onnxruntime.InferenceSession(translate(weights, per_step=True, scaling=None).SerializeToString())
    inputs, zeros = rng.random((2, 7, 8), np.float32), np.zeros((2, 64), np.float32)
    outputs, _, _ = session.run(None, {"sequences": inputs, "lengths": np.array([7, 4], np.int32), "h": zeros, "c": zeros})
    np.testing.assert_allclose(outputs[0], by_hand(weights, inputs[0]), atol=1e-5)
    np.testing.assert_allclose(outputs[1, :4], by_hand(weights, inputs[1, :4]), atol=1e-5)


def by_hand(weights: Weights, row: Floats) -> Floats:
    """(time, F) -> (time, K), by the equations: https://keras.io/api/layers/recurrent_layers/lstm/"""
    units = len(weights.head)
    h, c, outputs = np.zeros(units), np.zeros(units), []
    for item in row:
        i, f, g, o = np.split(item @ weights.kernel + h @ weights.recurrent + weights.bias, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        outputs.append(h @ weights.head + weights.head_bias)
    return np.array(outputs, np.float32)


def gates_in_the_order_of_keras(weights: Weights, settled: Plan) -> onnx.ModelProto:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation, "_gates", lambda array: array)
        return right(weights, settled)


def recurrent_kernel_transposed(weights: Weights, settled: Plan) -> onnx.ModelProto:
    each = [gate.T for gate in np.split(weights.recurrent, 4, axis=-1)]
    return right(weights._replace(recurrent=np.concatenate(each, axis=-1)), settled)


def first_state_for_both(weights: Weights, settled: Plan) -> onnx.ModelProto:
    model = right(weights, settled)
    lstm = next(node for node in model.graph.node if node.op_type == "LSTM")
    lstm.input[6] = lstm.input[5]
    return model


def a_bias_forgotten(weights: Weights, settled: Plan) -> onnx.ModelProto:
    model = right(weights, settled)
    bias = next(constant for constant in model.graph.initializer if constant.name == "bias")
    bias.CopyFrom(numpy_helper.from_array(np.zeros(tuple(bias.dims), np.float32), "bias"))
    return model


def write(model: onnx.ModelProto, folder: Path) -> None:
    (folder / contract.FILE).write_bytes(model.SerializeToString())


def right(weights: Weights, settled: Plan) -> onnx.ModelProto:
    return translate(weights, settled.topology.return_sequences, settled.scaling)


@pytest.mark.parametrize(
    "fault", [gates_in_the_order_of_keras, recurrent_kernel_transposed, first_state_for_both, a_bias_forgotten]
)
def test_a_faulty_translation_is_refused(trained: Trained, tmp_path: Path, fault: Fault) -> None:
    folder = tmp_path / "saved"
    shutil.copytree(trained.folder, folder)
    assert refused(trained._replace(folder=folder)) == set()
    write(fault(weights_of(trained.model), trained.plan), folder)
    assert refused(trained._replace(folder=folder))


def test_a_translation_without_its_scaling_is_refused(tmp_path: Path) -> None:
    data = own_data(tmp_path, np.random.default_rng(1).normal(1000, 50, (200, 5)))
    settled = plan(GENERAL, "many_to_many", 5, seed=1, data=data)
    model = build(settled.topology, settled.units, 5, seed=1)
    folder = tmp_path / "saved"
    export(model, settled.topology, folder, settled.scaling)
    trained = Trained(settled, model, folder)
    assert refused(trained) == set()
    for inputs, targets in ((True, False), (False, True), (False, False)):
        write(translate(weights_of(model), True, partly(settled.scaling, inputs, targets)), folder)
        assert "ONNX against SavedModel" in refused(trained)


def partly(scaling: Scaling | None, inputs: bool, targets: bool) -> Scaling:
    assert scaling is not None
    unit = scaling.inputs.model_copy(update={"low": 0.0, "high": 1.0})
    return Scaling(scaling.inputs if inputs else unit, scaling.targets if targets else unit)


@pytest.mark.parametrize("damage", [b"", b"no graph", None])
def test_an_unreadable_or_missing_translation_is_refused(many_to_many: Trained, tmp_path: Path, damage: bytes | None) -> None:
    folder = tmp_path / "saved"
    shutil.copytree(many_to_many.folder, folder)
    if damage is None:
        (folder / contract.FILE).unlink()
    else:
        (folder / contract.FILE).write_bytes(damage)
    (name,) = refused(many_to_many._replace(folder=folder))
    assert name.startswith("ONNX against SavedModel (")


def test_steps_with_state_equal_the_whole_sequence_to_the_last_bit(many_to_many: Trained) -> None:
    translated = Translated(many_to_many.folder, many_to_many.plan)
    row = np.random.default_rng(1).random((1, 1000, 1), np.float32)
    whole, last_h, last_c = translated.raw(row, [1000])
    h = c = np.zeros((1, 5), np.float32)
    for time in range(1000):
        output, h, c = translated.raw(row[:, time : time + 1], [1], h, c)
        assert output[0, 0] == whole[0, time]
    assert np.array_equal(h, last_h)
    assert np.array_equal(c, last_c)


@pytest.mark.parametrize("per_step", [True, False])
@pytest.mark.parametrize(("features", "units", "outputs"), [(1, 5, 1), (3, 7, 2), (1, 20, 10)])
def test_packed_rows_answer_as_single_rows_to_the_last_bit(per_step: bool, features: int, units: int, outputs: int) -> None:
    rng = np.random.default_rng(units)
    shapes = ((features, 4 * units), (units, 4 * units), (4 * units,), (units, outputs), (outputs,))
    weights = Weights(*(rng.normal(0, 0.4, shape).astype(np.float32) for shape in shapes))
    rows = contract.rows_packed(units)
    inputs = rng.random((2 * rows + 1, 9, features), np.float32)

    def run(model: onnx.ModelProto, inputs: Floats, units: int) -> Floats:
        state, lengths = np.zeros((len(inputs), units), np.float32), np.full(len(inputs), 9, np.int32)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        answer: Floats = session.run(None, {"sequences": inputs, "lengths": lengths, "h": state, "c": state})[0]
        return answer

    alone = run(translate(weights, per_step, None), inputs, units)
    packed = run(translate(pack(weights, rows), per_step, None), contract.pack(inputs, rows), rows * units)
    assert np.array_equal(contract.unpack(packed, rows, len(inputs)), alone)


def test_rows_packed_in_the_wrong_blocks_are_refused(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    shutil.copytree(trained.folder, folder)
    weights, rows = weights_of(trained.model), contract.rows_packed(5)
    wrong = pack(weights, rows)
    wrong = wrong._replace(kernel=np.roll(wrong.kernel, 1, axis=0))
    model = translate(wrong, trained.plan.topology.return_sequences, None)
    (folder / contract.PACKED).write_bytes(model.SerializeToString())
    assert refused(trained._replace(folder=folder)) == {"ONNX against SavedModel, packed"}


def test_judging_a_translation_reports_nothing_to_microsoft_and_leaves_no_file(tmp_path: Path) -> None:
    """By default ONNX Runtime keeps a machine id, a database of reports, and a session."""
    environ = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import training, onnxruntime"], cwd=ROOT, env=environ, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
