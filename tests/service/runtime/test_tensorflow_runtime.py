"""The reference: what TensorFlow answers, the translation answers, too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.rows import Floats, Rows
from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from service.runtime.runtimes import load
from tests.service.runtime.conftest import Trained
from tests.service.runtime.translations import domain_scaling
from training.networks import build, export
from training.plan import Network


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


def close(given: Floats, wanted: Any) -> None:
    assert np.size(wanted)
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_a_wide_scaled_network_answers_as_its_translation_does(tmp_path: Path, name: TopologyName) -> None:
    topology = TOPOLOGIES[name]
    network = Network(topology, 64, outputs=1 if topology.per_step else 5, length=None if topology.per_step else 5)
    export(build(network, 5, seed=1), network, tmp_path / "saved", domain_scaling(-40.0, 260.0, (3.0, 5.0)))
    inputs = np.random.default_rng(2).uniform(-40, 260, (20, 1 if name == "one_to_one" else 5, 1)).astype(np.float32)
    tensorflow, onnx = (load(tmp_path / "saved", choice).run(inputs, None) for choice in ("tensorflow", "onnx"))
    assert tensorflow.shape == onnx.shape
    np.testing.assert_allclose(tensorflow, onnx, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_stacked_layers_of_several_features_answer_ragged_rows_as_their_translation_does(
    tmp_path: Path, name: TopologyName
) -> None:
    network = Network(TOPOLOGIES[name], 12, features=3, outputs=4, layers=2, softmax=True)
    export(build(network, 9, seed=1), network, tmp_path / "saved")
    lengths = [1] * 5 if name == "one_to_one" else [9, 1, 4, 9, 2]
    inputs = np.random.default_rng(2).normal(0, 1, (5, max(lengths), 3)).astype(np.float32)
    given = None if name == "one_to_one" else lengths
    tensorflow, onnx = (load(tmp_path / "saved", choice).run(inputs, given) for choice in ("tensorflow", "onnx"))
    assert tensorflow.shape == onnx.shape == ((5, 9, 4) if name == "many_to_many" else (5, 4))
    for row, length in enumerate(lengths):
        end = length if name == "many_to_many" else None
        close(tensorflow[row][:end], onnx[row][:end])
        close(tensorflow[row][:end].sum(axis=-1), np.float32(1))


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_more_rows_and_more_time_are_expected_to_take_longer(reference: Trained, name: TopologyName) -> None:
    seconds = reference[name].runtime.seconds
    assert 0 < seconds(1, 5) < seconds(2, 5) < seconds(2, 6)
