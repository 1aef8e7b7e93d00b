import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contract import translation
from contract.manifest import Figure
from contract.rows import Rows
from tests.training.conftest import Trained
from tests.training.untrained import UNTRAINED, exported
from training import networks
from training.gate.exported import Exported, Translated
from training.gate.judge import judge, judge_translation
from training.sequences.generated import HELD_OUT, random_rows, random_steps

pytestmark = pytest.mark.usefixtures("short_gate")
ACCURACY = ("mae", "rmse", "balanced_accuracy", "held-out rows")
Untrained = Callable[[str], Trained]


def fidelity(trained: Trained) -> dict[str, Figure]:
    """Every figure that does not depend on how good the network is."""
    found = {figure.name: figure for figure in judge(trained.model, trained.folder, trained.plan)}
    return {name: figure for name, figure in found.items() if not name.startswith(ACCURACY)}


def translation_figures(trained: Trained) -> dict[str, Figure]:
    return {figure.name: figure for figure in judge_translation(trained.model, trained.folder, trained.plan)}


def refused(judged: dict[str, Figure]) -> set[str]:
    return {name for name, figure in judged.items() if not figure.passed}


@pytest.mark.parametrize("case", UNTRAINED)
def test_all_ways_to_compute_an_answer_agree(case: str, untrained: Untrained) -> None:
    trained = untrained(case)
    judged = fidelity(trained)
    assert refused(judged) == set()
    assert {"export against Keras", "alone against in a batch", "ONNX against SavedModel"} <= judged.keys()
    assert ("step against whole sequence" in judged) is (trained.plan.topology.name == "many_to_many")
    assert ("ONNX against SavedModel, packed" in judged) is (trained.plan.units == 5 and trained.plan.network.layers == 1)
    assert ("ONNX against Keras, a step from any state" in judged) is (case != "forecast")  # windows have no single step
    assert judged["ONNX, alone against in a batch"].value == 0


@pytest.mark.parametrize("case", UNTRAINED)
def test_the_model_answers_rows_with_its_outputs(case: str, untrained: Untrained) -> None:
    trained = untrained(case)
    network = trained.plan.network
    lengths = [trained.plan.length] * 3 if network.length else [2, 5, 1]
    rows = Rows(np.concatenate([random_steps(1, 1, each, trained.plan.features)[0] for each in lengths]), lengths)
    whole, translated = Exported(trained.folder, trained.plan)(rows), Translated(trained.folder, trained.plan)(rows)
    number = sum(lengths) if trained.plan.topology.per_step else 3
    assert whole.shape == translated.shape == (number, network.outputs)
    if network.softmax:
        assert whole.sum(axis=1) == pytest.approx(np.ones(number), abs=1e-6)


def test_a_network_that_reads_the_padding_is_refused(
    untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, real = untrained("classify"), networks.forward
    monkeypatch.setattr(networks, "forward", lambda model, inputs, lengths=None: real(model, inputs))
    networks.export(trained.model, trained.plan.network, tmp_path / "saved", trained.plan.scaling)
    monkeypatch.undo()
    judged = fidelity(trained._replace(folder=tmp_path / "saved"))
    assert {"export against Keras", "alone against in a batch", "ONNX against SavedModel"} <= refused(judged)


def test_a_network_without_its_scaling_is_refused(untrained: Untrained, tmp_path: Path) -> None:
    trained = untrained("regress")
    networks.export(trained.model, trained.plan.network, tmp_path / "saved")
    assert "export against Keras" in refused(fidelity(trained._replace(folder=tmp_path / "saved")))


def test_a_translation_of_other_weights_is_refused(untrained: Untrained, tmp_path: Path) -> None:
    trained = untrained("label")
    exported(trained.plan, tmp_path / "other", seed=2)
    mixed = shutil.copytree(trained.folder, tmp_path / "mixed")
    shutil.copy(tmp_path / "other" / translation.FILE, mixed / translation.FILE)
    assert refused(translation_figures(trained._replace(folder=mixed))) == {
        "ONNX against SavedModel",
        "ONNX against SavedModel, step by step",
        "ONNX against Keras, a step from any state",
    }


def test_a_packed_graph_of_other_weights_is_refused(untrained: Untrained, tmp_path: Path) -> None:
    trained = untrained("regress")
    exported(trained.plan, tmp_path / "other", seed=2)
    mixed = shutil.copytree(trained.folder, tmp_path / "mixed")
    shutil.copy(tmp_path / "other" / translation.PACKED, mixed / translation.PACKED)
    assert refused(translation_figures(trained._replace(folder=mixed))) == {"ONNX against SavedModel, packed"}


def test_a_translation_of_another_network_is_a_figure_and_no_crash(untrained: Untrained, tmp_path: Path) -> None:
    trained = untrained("label")
    mixed = shutil.copytree(trained.folder, tmp_path / "mixed")
    shutil.copy(untrained("classify").folder / translation.FILE, mixed / translation.FILE)
    (figure,) = [each for each in judge_translation(trained.model, mixed, trained.plan) if not each.passed]
    assert figure.name.startswith("ONNX against SavedModel (")


def test_answers_of_a_savedmodel_that_fails_are_nan(untrained: Untrained) -> None:
    trained = untrained("label")
    other = replace(trained.plan, network=trained.plan.network._replace(outputs=7))
    rows = Rows(np.zeros((5, 3), np.float32), [2, 3])
    assert Exported(trained.folder, trained.plan).answers(rows).shape == (5, 3)
    assert np.isnan(Exported(trained.folder, other).answers(rows)).all()
    assert np.isnan(Exported(trained.folder, trained.plan).answers(Rows(np.zeros((5, 2), np.float32), [2, 3]))).all()


def test_random_steps_of_one_feature_are_the_random_rows(untrained: Untrained) -> None:
    features = untrained("classify").plan.features
    one = random_steps(1, 4, 6, features[:1])
    assert (one[..., 0] == random_rows(1, 4, 6, features[0].domain)).all()
    steps = random_steps(1, 400, 6, features)
    assert steps.shape == (400, 6, 3)
    unit = np.random.default_rng([1, HELD_OUT, 6]).random((400, 6, 3), dtype=np.float32)
    for column, feature in enumerate(features):
        width = feature.domain.high - feature.domain.low
        assert steps[..., column] == pytest.approx(feature.domain.low + unit[..., column] * width, abs=1e-5 * width)
        assert steps[..., column].max() < feature.domain.high
