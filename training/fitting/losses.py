"""The loss and the metric of a batch, as sums over what is no padding."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from contract.rows import Floats, Ints
from training.fitting.batches import Batch
from training.recipes import Loss
from training.sequences.scaling import Scaling


class Sums(NamedTuple):
    """Divided by `weight`: the mean loss, and the mean absolute error in the user's units or the accuracy."""

    loss: tf.Tensor
    metric: tf.Tensor
    weight: tf.Tensor  # answers that are no padding


NOTHING = (0.0, 0.0, 0.0)


def sums(outputs: tf.Tensor, batch: Batch, loss: Loss, scaling: Scaling, class_weights: tf.Tensor | None) -> Sums:
    """`outputs` in the network's units: (batch, time, K) or (batch, K); logits of classes. Padding has weight 0."""
    if loss == "cross_entropy":
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=batch.targets, logits=outputs)  # (batch, time) or (batch,)
        if class_weights is not None:
            each *= tf.gather(class_weights, batch.targets)
        metric = tf.cast(tf.equal(tf.argmax(outputs, axis=-1), batch.targets), tf.float32)
    else:
        error = outputs - scaling.targets_to_unit(batch.targets, batch.inputs)
        each = tf.reduce_mean(tf.abs(error) if loss == "mae" else tf.square(error), axis=-1)
        metric = tf.reduce_mean(tf.abs(scaling.outputs_from_unit(outputs, batch.inputs) - batch.targets), axis=-1)
    return Sums(tf.reduce_sum(each * batch.weights), tf.reduce_sum(metric * batch.weights), tf.reduce_sum(batch.weights))


def balanced(classes: Ints, number: int) -> Floats:
    """(number,): weights with which each class that occurs counts as much as any other; their mean over `classes` is 1."""
    counts = np.bincount(classes, minlength=number)
    weights = len(classes) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights.astype(np.float32)
