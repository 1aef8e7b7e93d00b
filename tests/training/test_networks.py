from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from training.networks import build, export, forward
from training.plan import Network

ECHO = {"one_to_one": 146, "many_to_one": 170, "many_to_many": 146}
"""Parameters."""


def echo(name: TopologyName, units: int = 5) -> Network:
    whole_row = name == "many_to_one"
    return Network(TOPOLOGIES[name], units, outputs=5 if whole_row else 1, length=5 if whole_row else None)


def own(name: TopologyName, layers: int = 2, **values: float) -> Network:
    return Network(TOPOLOGIES[name], 4, features=3, outputs=2, layers=layers, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_keras_counts_as_many_parameters_as_the_arithmetic(name: TopologyName) -> None:
    network = echo(name)
    assert build(network, 5, seed=1).count_params() == network.parameters.total == ECHO[name]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_stacked_layers_have_the_parameters_of_the_arithmetic_and_dropout_adds_none(name: TopologyName, layers: int) -> None:
    network = own(name, layers, dropout=0.3)
    model = build(network, 7, seed=1)
    assert model.count_params() == network.parameters.total == 2 * 4 + 2 + 4 * (4 * 4 + 16) + (layers - 1) * 4 * (5 * 4 + 16)
    names = [layer.name for layer in model.layers if layer.name.startswith(("lstm", "dropout"))]
    assert names == [*["dropout", "lstm", "dropout_2", "lstm_2", "dropout_3", "lstm_3"][: 2 * layers], "dropout_of_head"]


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (build(echo("many_to_many"), 5, seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_a_network_for_one_length_is_not_built_for_another() -> None:
    with pytest.raises(ValueError, match="expected rows of 5 steps, as the network takes no others; received 6"):
        build(echo("many_to_one"), 6, seed=1)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("batch", "time"), [(1, 1), (1, 5), (3, 7), (7, 3), (6, 5), (5, 5)])
def test_forward_is_correct_for_a_time_axis_of_unknown_length(batch: int, time: int, layers: int) -> None:
    model = build(own("many_to_many", layers), 5, seed=1)
    traced = tf.function(lambda x: forward(model, x), input_signature=[tf.TensorSpec((None, None, 3))])
    inputs = np.random.default_rng(1).random((batch, time, 3), np.float32)
    outputs = traced(inputs).numpy()
    assert outputs.shape == (batch, time, 2)
    np.testing.assert_allclose(outputs, model(inputs).numpy(), atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_last_real_step_of_a_row_is_read_whatever_its_padding(layers: int) -> None:
    model = build(own("many_to_one", layers), 9, seed=1)
    signature = [tf.TensorSpec((None, None, 3)), tf.TensorSpec((None,), tf.int32)]
    traced = tf.function(lambda x, lengths: forward(model, x, lengths), input_signature=signature)
    rng = np.random.default_rng(1)
    inputs, lengths = rng.random((5, 9, 3), np.float32), np.array([1, 9, 4, 5, 8], np.int32)
    outputs = traced(inputs, lengths).numpy()
    for row, length, output in zip(inputs, lengths, outputs, strict=True):
        np.testing.assert_allclose(output, model(row[None, :length]).numpy()[0], atol=1e-6)
        row[length:] = rng.normal(0, 100, (9 - length, 3))
    assert (traced(inputs, lengths).numpy() == outputs).all()


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_export_of_an_echo_has_the_signatures_that_the_manifest_promises(name: TopologyName, tmp_path: Path) -> None:
    export(build(echo(name), 5, seed=1), echo(name), tmp_path / "saved")
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    assert ("step" in signatures) is TOPOLOGIES[name].return_sequences
    time = {"one_to_one": 1, "many_to_one": 5, "many_to_many": None}[name]
    given = signatures["serving_default"].structured_input_signature[1]
    assert {name: spec.shape.as_list() for name, spec in given.items()} == {"sequences": [None, time, 1]}


def test_only_a_many_to_one_network_of_any_length_takes_lengths(tmp_path: Path) -> None:
    taken = {}
    for number, network in enumerate((own("many_to_one"), own("many_to_many"), own("one_to_one"))):
        export(build(network, 7, seed=1), network, tmp_path / str(number))
        signature = tf.saved_model.load(str(tmp_path / str(number))).signatures["serving_default"]
        given = signature.structured_input_signature[1]
        taken[network.topology.name] = {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in given.items()}
    any_time, items = ([None, None, 3], "float32"), ([None, 1, 3], "float32")
    assert taken == {
        "many_to_one": {"sequences": any_time, "lengths": ([None], "int32")},
        "many_to_many": {"sequences": any_time},
        "one_to_one": {"sequences": items},
    }


@pytest.mark.parametrize("layers", [1, 3])
def test_steps_with_the_states_of_all_layers_equal_the_whole_sequence(layers: int, tmp_path: Path) -> None:
    network = own("many_to_many", layers, softmax=True)
    export(build(network, 6, seed=1), network, tmp_path / "saved")
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    inputs = np.random.default_rng(1).random((3, 6, 3), np.float32)
    (whole,) = signatures["serving_default"](sequences=tf.constant(inputs)).values()
    np.testing.assert_allclose(whole.numpy().sum(-1), 1, atol=1e-6)
    h = c = tf.zeros((3, 4 * layers))
    for time in range(6):
        answer = signatures["step"](item=tf.constant(inputs[:, time]), h=h, c=c)
        h, c = answer["h"], answer["c"]
        assert {name: value.shape.as_list() for name, value in answer.items()} == {
            "item": [3, 2],
            "h": [3, 4 * layers],
            "c": [3, 4 * layers],
        }
        np.testing.assert_allclose(answer["item"].numpy(), whole.numpy()[:, time], atol=1e-6)
