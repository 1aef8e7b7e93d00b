import math

import numpy as np
import pytest
import tensorflow as tf

from contract.topologies import TOPOLOGIES
from training.fitting.adam import Adam, Best, adam_of
from training.networks import build
from training.plan import Network


def test_the_best_weights_are_kept_and_put_back() -> None:
    variable = tf.Variable([0.0])
    best = Best([variable])
    for loss in (3.0, 1.0, 2.0, 1.0):
        variable.assign([10 * loss])
        best.note(loss)
    assert (best.loss, best.waited) == (1.0, 2)
    variable.assign([7.0])
    best.put_back()
    assert variable.numpy().tolist() == [10.0]


def test_without_a_validation_nothing_is_put_back() -> None:
    variable = tf.Variable([0.0])
    best = Best([variable])
    variable.assign([7.0])
    best.put_back()
    assert variable.numpy().tolist() == [7.0]
    assert best.loss == math.inf


def test_a_state_survives_being_restored() -> None:
    adam = Adam([tf.Variable([1.0, 2.0])])
    adam.apply([tf.constant([1.0, -1.0])], tf.constant(0), tf.constant(0.1))
    adam.best.note(0.25)
    adam.best.note(0.5)
    again = Adam([tf.Variable([0.0, 0.0])])
    again.restore(1, adam.state())
    assert all((a == b).all() for a, b in zip(adam.state(), again.state(), strict=True))
    assert (again.best.loss, again.best.waited, int(again.iterations)) == (0.25, 1, 1)
    np.testing.assert_allclose(again.variables[0].numpy(), [0.9, 2.1], rtol=1e-6)


@pytest.mark.parametrize(("units", "layers"), [(5, 1), (4, 2)])
def test_a_state_of_other_variables_is_refused(units: int, layers: int) -> None:
    small, other = (build(Network(TOPOLOGIES["one_to_one"], u, layers=n), 5, seed=1) for u, n in ((4, 1), (units, layers)))
    with pytest.raises(ValueError, match="shape"):
        adam_of(other).restore(1, adam_of(small).state())


def test_a_restored_state_waits_as_long_as_an_undisturbed_one() -> None:
    """A loss of float64, kept as float32, would come back as another number, and an equal loss would count as better."""
    undisturbed, restored = (Adam([tf.Variable([0.0])]) for _ in range(2))
    undisturbed.best.note(1 / 3)
    restored.restore(1, undisturbed.state())
    for adam in (undisturbed, restored):
        adam.best.note(1 / 3)
    assert restored.best.waited == undisturbed.best.waited == 1
