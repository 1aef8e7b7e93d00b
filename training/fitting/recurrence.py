"""The networks as training computes them, for a time axis of known length: the same function of the same weights.

Keras' LSTM multiplies twice in each step, and TensorFlow's gradient of its loop multiplies four times more and keeps every
intermediate value. Here a step multiplies once, and its gradient once: the products with the inputs, and the gradients of the
weights, are one product over all steps.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from training.plan import Network

Gradients = Callable[..., tuple[Any, ...]]


def outputs(
    network: Network, weights: Sequence[tf.Variable], inputs: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor | None = None
) -> tf.Tensor:
    """The network's answer in its own units: (batch, time, K) where each step has one, otherwise (batch, K).

    `weights` in the model's order. `inputs` (batch, time, F), padded on the right after `lengths` (batch,) steps.
    `seed` (2,): which inputs of each layer are dropped, in training.
    """
    *lstms, head, bias = weights
    batch, time, features = inputs.shape
    if network.topology.name == "one_to_one":  # each step is a sample
        hidden, steps = tf.reshape(inputs, (1, batch * time, features)), tf.constant(1)
    else:
        hidden, steps = tf.transpose(inputs, (1, 0, 2)), tf.reduce_max(lengths)  # (time, batch, F)
    for number in range(network.layers):
        hidden = _dropped(hidden, network.dropout, seed, number)
        hidden = lstm(hidden, *lstms[3 * number : 3 * number + 3], steps)  # (time, batch, units)
    if not network.topology.per_step:
        hidden = tf.gather_nd(hidden, tf.stack([lengths - 1, tf.range(batch)], axis=1))  # (batch, units)
    hidden = _dropped(hidden, network.dropout, seed, network.layers)
    answer = tf.reshape(hidden, (-1, network.units)) @ head + bias
    if not network.topology.per_step:
        return answer
    if network.topology.name == "one_to_one":
        return tf.reshape(answer, (batch, time, network.outputs))
    return tf.transpose(tf.reshape(answer, (time, batch, network.outputs)), (1, 0, 2))


def _dropped(hidden: tf.Tensor, rate: float, seed: tf.Tensor | None, layer: int) -> tf.Tensor:
    """Zero a share of the inputs of the `layer`-th layer, and scale the others up."""
    if seed is None or not rate:
        return hidden
    drawn = tf.random.stateless_uniform(hidden.shape, seed + tf.stack([layer, 0]), alg="philox")
    return tf.where(drawn >= rate, hidden / (1.0 - rate), 0.0)


@tf.custom_gradient
def lstm(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, steps: tf.Tensor
) -> tuple[tf.Tensor, Gradients]:
    """(time, batch, F) -> hidden states (time, batch, units): those of the first `steps` steps, then zeros.

    Keras' order of gates: i, f, c, o. https://keras.io/api/layers/recurrent_layers/lstm/
    """
    time, batch, features = inputs.shape
    units = recurrent.shape[0]
    projected = tf.reshape(tf.reshape(inputs, (-1, features)) @ kernel + bias, (time, batch, 4 * units))
    zeros = tf.zeros((batch, units))

    def array(width: int) -> tf.TensorArray:
        return tf.TensorArray(tf.float32, time, element_shape=(batch, width), clear_after_read=False)

    def step(t: Any, h: Any, c: Any, gates: Any, cells: Any, hidden: Any) -> tuple[Any, ...]:
        i, f, g, o = tf.split(projected[t] + h @ recurrent, 4, axis=1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        h = o * tf.tanh(c)
        return t + 1, h, c, gates.write(t, tf.concat([i, f, g, o], axis=1)), cells.write(t, c), hidden.write(t, h)

    start = (tf.constant(0), zeros, zeros, array(4 * units), array(units), array(units))
    *_, gates, cells, hidden = tf.while_loop(lambda t, *_: t < steps, step, start)
    all_gates, all_cells, all_hidden = gates.stack(), cells.stack(), hidden.stack()  # (time, batch, width)

    def gradients(given: tf.Tensor) -> tuple[Any, ...]:
        def back(t: Any, dh: Any, dc: Any, changes: Any) -> tuple[Any, ...]:
            i, f, g, o = tf.split(all_gates[t], 4, axis=1)
            before = tf.where(t > 0, all_cells[tf.maximum(t - 1, 0)], zeros)
            squashed = tf.tanh(all_cells[t])
            dh += given[t]
            dc += dh * o * (1.0 - squashed * squashed)
            parts = dc * g * i * (1.0 - i), dc * before * f * (1.0 - f), dc * i * (1.0 - g * g), dh * squashed * o * (1.0 - o)
            change = tf.concat(parts, axis=1)  # of the gates before their functions
            return t - 1, tf.matmul(change, recurrent, transpose_b=True), dc * f, changes.write(t, change)

        end = (steps - 1, zeros, zeros, array(4 * units))
        changes = tf.while_loop(lambda t, *_: t >= 0, back, end)[-1].stack()  # zeros after `steps`
        flat = tf.reshape(changes, (-1, 4 * units))
        shifted = tf.concat([zeros[None], all_hidden[:-1]], axis=0)  # the state before each step
        return (
            tf.reshape(tf.matmul(flat, kernel, transpose_b=True), inputs.shape),
            tf.matmul(tf.reshape(inputs, (-1, features)), flat, transpose_a=True),
            tf.matmul(tf.reshape(shifted, (-1, units)), flat, transpose_a=True),
            tf.reduce_sum(flat, axis=0),
            None,
        )

    return all_hidden, gradients
