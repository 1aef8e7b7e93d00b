import numpy as np
import pytest
import tensorflow as tf

from contract.rows import Floats
from training.fitting.batches import Batch
from training.fitting.losses import balanced, sums
from training.recipes import Loss
from training.sequences.scaling import Scaling

ONE = np.ones(1, np.float32)
NONE = Scaling("standard", 0 * ONE, ONE, None, None, [])
TENS = Scaling("standard", 0 * ONE, ONE, 5 * np.ones(2, np.float32), 10 * np.ones(2, np.float32), [])


def batch(targets: object, weights: object) -> Batch:
    numbers = np.array(targets)
    answers = tf.constant(numbers if numbers.dtype == np.int64 else numbers.astype(np.float32))
    return Batch(tf.zeros((2, 2, 1)), answers, tf.constant([2, 1]), tf.constant(np.array(weights, np.float32)))


@pytest.mark.parametrize(("loss", "expected"), [("mae", 0.5 + 2.0), ("mse", 0.5 + 4.0)])
def test_padding_has_no_weight_in_a_mean_worked_by_hand(loss: Loss, expected: float) -> None:
    """Targets (x - 5) / 10. Errors of the steps that are no padding: (0, 1) and (-2, 2)."""
    outputs = tf.constant([[[0.0, 1.0], [1e6, 1e6]], [[-2.0, 2.0], [1e6, 1e6]]])
    found = sums(outputs, batch([[[5.0, 5.0]] * 2] * 2, [[1, 0], [1, 0]]), loss, TENS, None)
    assert found.loss.numpy() == pytest.approx(expected)
    assert found.metric.numpy() == pytest.approx(10 * (0.5 + 2.0))  # in the user's units
    assert found.weight.numpy() == 2


def cross_entropy(weights: Floats | None) -> tuple[float, float, float]:
    """Probabilities of the right classes: 0.5, 0.8 and, where nothing counts, 0."""
    outputs = tf.constant(np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [1e-9, 1, 1e-9]]).astype(np.float32))
    given = None if weights is None else tf.constant(weights)
    found = sums(outputs, batch([0, 2, 0], [1, 1, 0]), "cross_entropy", NONE, given)
    return tuple(float(each) for each in found)  # type: ignore[return-value]


def test_cross_entropy_of_logits_and_accuracy_worked_by_hand() -> None:
    assert cross_entropy(None) == pytest.approx((-np.log(0.5) - np.log(0.8), 2, 2), rel=1e-5)


def test_class_weights_multiply_the_cross_entropy() -> None:
    weights = np.array([3, 1, 0.5], np.float32)
    assert cross_entropy(weights) == pytest.approx((-3 * np.log(0.5) - 0.5 * np.log(0.8), 2, 2), rel=1e-5)


def test_rare_classes_count_as_much_as_common_ones() -> None:
    classes = np.array([0, 0, 0, 0, 0, 0, 2, 2])
    weights = balanced(classes, 4)
    assert (6 * weights[0], 2 * weights[2]) == (4, 4)
    assert weights[classes].mean() == 1
