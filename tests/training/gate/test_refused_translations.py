"""The translations that the gate refuses."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from contract import translation as contract
from tests.conftest import ROOT
from tests.training.conftest import Trained
from training import translation
from training.gate.judge import judge_translation
from training.networks import weights_of
from training.plan import Plan
from training.sequences.scaling import Scaling
from training.translation import Weights, pack, translate

pytestmark = pytest.mark.usefixtures("short_gate")
Fault = Callable[[Weights, Plan], onnx.ModelProto]


def refused(trained: Trained) -> set[str]:
    figures = judge_translation(trained.model, trained.folder, trained.plan)
    return {figure.name for figure in figures if not figure.passed}


def right(weights: Weights, plan: Plan, scaling: Scaling | None = None) -> onnx.ModelProto:
    windows = plan.scaling is not None and plan.scaling.kind == "window"
    length = plan.length if windows else None
    network = plan.network
    return translate(weights, network.topology.return_sequences, scaling or plan.scaling, network.softmax, length)


def gates_in_the_order_of_keras(weights: Weights, plan: Plan) -> onnx.ModelProto:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation, "_gates", lambda array: array)
        return right(weights, plan)


def recurrent_kernel_transposed(weights: Weights, plan: Plan) -> onnx.ModelProto:
    each = [gate.T for gate in np.split(weights.recurrent, 4, axis=-1)]
    return right(weights._replace(recurrent=np.concatenate(each, axis=-1)), plan)


def first_state_for_both(weights: Weights, plan: Plan) -> onnx.ModelProto:
    model = right(weights, plan)
    lstm = next(node for node in model.graph.node if node.op_type == "LSTM")
    lstm.input[6] = lstm.input[5]
    return model


def a_bias_forgotten(weights: Weights, plan: Plan) -> onnx.ModelProto:
    model = right(weights, plan)
    bias = next(constant for constant in model.graph.initializer if constant.name == "bias")
    forgotten = np.full(tuple(bias.dims), 0.3, np.float32)  # an untrained bias is 0 or 1
    bias.CopyFrom(numpy_helper.from_array(forgotten, "bias"))
    return model


def no_lengths(weights: Weights, plan: Plan) -> onnx.ModelProto:
    model = right(weights, plan)
    for node in model.graph.node:
        if node.op_type == "LSTM":
            node.input[4] = ""
    return model


def layers_swapped(weights: Weights, plan: Plan) -> onnx.ModelProto:
    (upper,) = weights.upper
    recurrent, above = upper.recurrent, upper._replace(recurrent=weights.recurrent)
    return right(weights._replace(recurrent=recurrent, upper=(above,)), plan)


def no_softmax(weights: Weights, plan: Plan) -> onnx.ModelProto:
    return translate(weights, plan.topology.return_sequences, plan.scaling)


def next_feature_scaled_back(weights: Weights, plan: Plan) -> onnx.ModelProto:
    assert plan.scaling is not None
    return right(weights, plan, replace(plan.scaling, columns=[1 - column for column in plan.scaling.columns]))


FAULTS: list[tuple[Fault, str]] = [
    *((gates_in_the_order_of_keras, case) for case in ("classify", "label", "regress", "forecast")),
    *((recurrent_kernel_transposed, case) for case in ("regress each item", "regress each step")),
    (first_state_for_both, "regress each step"),
    (a_bias_forgotten, "regress"),
    *((no_lengths, case) for case in ("classify", "regress")),
    *((layers_swapped, case) for case in ("classify", "label")),
    *((no_softmax, case) for case in ("classify", "label")),
    (next_feature_scaled_back, "forecast"),
]


def copy_of(trained: Trained, folder: Path) -> Trained:
    shutil.copytree(trained.folder, folder / "saved")
    return trained._replace(folder=folder / "saved")


def write(model: onnx.ModelProto, trained: Trained) -> None:
    (trained.folder / contract.FILE).write_bytes(model.SerializeToString())


@pytest.mark.parametrize(("fault", "case"), FAULTS, ids=lambda each: each if isinstance(each, str) else each.__name__)
def test_a_faulty_translation_is_refused(fault: Fault, case: str, untrained: Callable[[str], Trained], tmp_path: Path) -> None:
    trained = copy_of(untrained(case), tmp_path)
    write(fault(weights_of(trained.model), trained.plan), trained)
    assert refused(trained)


def test_a_translation_without_its_scaling_is_refused(untrained: Callable[[str], Trained], tmp_path: Path) -> None:
    trained = copy_of(untrained("regress each step"), tmp_path)
    assert refused(trained) == set()
    scaling = trained.plan.scaling
    assert scaling is not None
    features, targets = (np.zeros(n, np.float32) for n in (trained.plan.network.features, trained.plan.network.outputs))
    for partly in (
        replace(scaling, low=features, width=features + 1),
        replace(scaling, target_low=targets, target_width=targets + 1),
    ):
        write(right(weights_of(trained.model), trained.plan, partly), trained)
        assert "ONNX against SavedModel" in refused(trained)


@pytest.mark.parametrize("damage", [b"", b"no graph", None])
def test_an_unreadable_or_missing_translation_is_refused(
    untrained: Callable[[str], Trained], tmp_path: Path, damage: bytes | None
) -> None:
    trained = copy_of(untrained("label"), tmp_path)
    if damage is None:
        (trained.folder / contract.FILE).unlink()
    else:
        (trained.folder / contract.FILE).write_bytes(damage)
    (name,) = refused(trained)
    assert name.startswith("ONNX against SavedModel (")


def test_rows_packed_in_the_wrong_blocks_are_refused(untrained: Callable[[str], Trained], tmp_path: Path) -> None:
    trained = copy_of(untrained("regress"), tmp_path)
    weights, rows = weights_of(trained.model), contract.rows_packed(5)
    wrong = pack(weights, rows)
    wrong = wrong._replace(kernel=np.roll(wrong.kernel, 1, axis=0))
    (trained.folder / contract.PACKED).write_bytes(translate(wrong, False, trained.plan.scaling).SerializeToString())
    assert refused(trained) == {"ONNX against SavedModel, packed"}


def test_judging_a_translation_reports_nothing_to_microsoft_and_leaves_no_file(tmp_path: Path) -> None:
    """By default ONNX Runtime keeps a machine id, a database of reports, and a session."""
    environ = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import training, onnxruntime"], cwd=ROOT, env=environ, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
