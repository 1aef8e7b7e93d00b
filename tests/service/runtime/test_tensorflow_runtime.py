"""The reference: what TensorFlow answers, the translation answers, too."""

from pathlib import Path

import numpy as np
import pytest

from contract.manifest import Domain
from contract.rows import Floats, Rows
from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from service.runtime.runtimes import load
from tests.service.runtime.conftest import Trained
from training.networks import build, export
from training.sequences.scaling import Scaling


def rows_of(lengths: list[int]) -> Rows:
    return Rows.of(list(np.split(np.random.default_rng(1).random(sum(lengths), np.float32), np.cumsum(lengths)[:-1])))


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
@pytest.mark.parametrize("lengths", [[5], [5] * 2, [5] * 33, [5] * 500], ids=len)
def test_tensorflow_answers_the_same_as_the_translation(
    trained: Trained, reference: Trained, name: TopologyName, lengths: list[int]
) -> None:
    rows = rows_of(lengths)
    close(reference[name].run(rows).values, trained[name].run(rows).values)


@pytest.mark.parametrize("name", ["one_to_one", "many_to_many"])
@pytest.mark.parametrize("lengths", [[1], [3000], [9, 11, 1], [1, 2000, 3, 40, 700, 5, 699]], ids=str)
def test_rows_of_any_lengths_answer_the_same_too(
    trained: Trained, reference: Trained, name: TopologyName, lengths: list[int]
) -> None:
    rows = rows_of(lengths)
    close(reference[name].run(rows).values, trained[name].run(rows).values)


def close(given: Floats, wanted: Floats) -> None:
    assert len(wanted)
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_a_wide_scaled_network_answers_as_its_translation_does(tmp_path: Path, name: TopologyName) -> None:
    topology, scaling = TOPOLOGIES[name], Scaling(Domain(low=-40.0, high=260.0), Domain(low=3.0, high=5.0))
    export(build(topology, 64, 5, seed=1), topology, tmp_path / "saved", scaling)
    inputs = np.random.default_rng(2).uniform(-40, 260, (20, 1 if name == "one_to_one" else 5, 1)).astype(np.float32)
    tensorflow, onnx = (load(tmp_path / "saved", choice).run(inputs, None) for choice in ("tensorflow", "onnx"))
    assert tensorflow.shape == onnx.shape
    np.testing.assert_allclose(tensorflow, onnx, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_more_rows_and_more_time_are_expected_to_take_longer(reference: Trained, name: TopologyName) -> None:
    seconds = reference[name].runtime.seconds
    assert 0 < seconds(1, 5) < seconds(2, 5) < seconds(2, 6)
