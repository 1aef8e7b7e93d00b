from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from training.networks import build, export, forward

EXPECTED = {"one_to_one": 146, "many_to_one": 170, "many_to_many": 146}


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_keras_counts_as_many_parameters_as_the_arithmetic(name: TopologyName) -> None:
    topology = TOPOLOGIES[name]
    assert build(topology, 5, 5, seed=1).count_params() == topology.parameters(5, 5).total == EXPECTED[name]


def test_the_seed_decides_the_weights() -> None:
    topology = TOPOLOGIES["many_to_many"]
    first, again, other = (build(topology, 5, 5, seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (1, 5), (3, 7), (7, 3), (6, 5), (5, 5)])
def test_forward_is_correct_for_a_time_axis_of_unknown_length(batch: int, time: int) -> None:
    model = build(TOPOLOGIES["many_to_many"], 5, 5, seed=1)
    traced = tf.function(lambda x: forward(model, x), input_signature=[tf.TensorSpec((None, None, 1))])
    inputs = np.random.default_rng(1).random((batch, time, 1), np.float32)
    outputs = traced(inputs).numpy()
    assert outputs.shape == (batch, time, 1)
    np.testing.assert_allclose(outputs, model(inputs).numpy(), atol=1e-6)


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_export_has_the_signatures_that_the_manifest_promises(name: TopologyName, tmp_path: Path) -> None:
    topology = TOPOLOGIES[name]
    export(build(topology, 5, 5, seed=1), topology, tmp_path / "saved")
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    assert "serving_default" in signatures
    assert ("step" in signatures) is topology.return_sequences
    time = {"one_to_one": 1, "many_to_one": 5, "many_to_many": None}[name]
    assert signatures["serving_default"].structured_input_signature[1]["sequences"].shape.as_list() == [None, time, 1]


def test_step_takes_and_returns_an_item_with_its_state(tmp_path: Path) -> None:
    topology = TOPOLOGIES["many_to_many"]
    export(build(topology, 4, 5, seed=1), topology, tmp_path / "saved")
    step = tf.saved_model.load(str(tmp_path / "saved")).signatures["step"]
    answer = step(item=tf.zeros((3, 1)), h=tf.zeros((3, 4)), c=tf.zeros((3, 4)))
    assert {name: value.shape.as_list() for name, value in answer.items()} == {"item": [3, 1], "h": [3, 4], "c": [3, 4]}
