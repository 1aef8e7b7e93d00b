from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from training.fitting import recurrence
from training.networks import build, forward
from training.plan import Network

LENGTHS = [6, 1, 4, 7]


def made(name: TopologyName, layers: int = 2, dropout: float = 0.0) -> tuple[Network, Any, tf.Tensor, tf.Tensor]:
    network = Network(TOPOLOGIES[name], 5, features=3, outputs=2, layers=layers, dropout=dropout)
    inputs = np.random.default_rng(1).normal(0, 1, (4, 7, 3)).astype(np.float32)
    return network, build(network, 7, seed=1), tf.constant(inputs), tf.constant(LENGTHS)


def in_keras(model: Any, network: Network, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """As `recurrence.outputs`, by the network's own layers."""
    if network.topology.name == "one_to_one":
        return tf.reshape(forward(model, tf.reshape(inputs, (-1, 1, 3))), (4, 7, 2))
    return forward(model, inputs, None if network.topology.per_step else lengths)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_outputs_and_gradients_are_those_of_keras(name: TopologyName, layers: int) -> None:
    network, model, inputs, lengths = made(name, layers)
    variables = [variable.value for variable in model.trainable_variables]
    shape = (4, 7, 2) if network.topology.per_step else (4, 2)
    factors = np.random.default_rng(2).normal(0, 1, shape).astype(np.float32)
    if network.topology.per_step:  # a loss without padding
        factors *= (np.arange(7) < np.array(LENGTHS)[:, None])[..., None]
    both: list[Callable[[], Any]] = [
        lambda: recurrence.outputs(network, variables, inputs, lengths),
        lambda: in_keras(model, network, inputs, lengths),
    ]
    found = []
    for computed in both:
        with tf.GradientTape() as tape:
            outputs = computed()
            loss = tf.reduce_sum(tf.sin(outputs) * factors)
        found.append(([(outputs * (factors != 0)).numpy()], tape.gradient(loss, variables)))
    (ours, our_gradients), (theirs, their_gradients) = found
    for a, b in zip([*ours, *our_gradients], [*theirs, *their_gradients], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_padding_changes_neither_the_answers_nor_the_gradients() -> None:
    network, model, inputs, lengths = made("many_to_one")
    variables = [variable.value for variable in model.trainable_variables]
    padding = np.arange(7) >= np.array(LENGTHS)[:, None]
    found = []
    for given in (inputs, tf.where(padding[..., None], 1000.0, inputs)):
        with tf.GradientTape() as tape:
            outputs = recurrence.outputs(network, variables, given, lengths)
        found.append([outputs, *tape.gradient(outputs, variables)])
    for a, b in zip(*found, strict=True):
        assert (a.numpy() == b.numpy()).all()


def test_dropout_is_decided_by_its_seed_and_keeps_the_mean() -> None:
    network, model, inputs, lengths = made("many_to_many", layers=2, dropout=0.4)
    variables = [variable.value for variable in model.trainable_variables]

    def outputs(seed: int | None) -> Any:
        given = None if seed is None else tf.constant([1, seed])
        return recurrence.outputs(network, variables, inputs, lengths, given).numpy()

    assert (outputs(1) == outputs(1)).all()
    assert (outputs(1) != outputs(2)).any()
    assert (outputs(None) == outputs(None)).all()
    ones = tf.ones((50, 40, 50))
    dropped = recurrence._dropped(ones, 0.4, tf.constant([1, 1]), 1).numpy()
    assert set(np.unique(dropped).tolist()) == {0.0, float(np.float32(1) / np.float32(0.6))}
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    other_layer = recurrence._dropped(ones, 0.4, tf.constant([1, 1]), 2).numpy()
    assert (dropped != other_layer).mean() == pytest.approx(0.48, abs=0.01)
