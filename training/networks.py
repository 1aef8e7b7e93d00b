"""The networks in Keras, and their export as SavedModels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf
from keras.export import ExportArchive

from training import translation
from training.plan import Network
from training.sequences.scaling import Scaling


def build(network: Network, length: int, seed: int) -> keras.Model:
    """An untrained network with Keras' own initialisers. The same seed gives the same weights.

    `length`: the steps of the longest training row. Input (batch, time, F); output (batch, time, K) or (batch, K), linear:
    logits where there are classes.
    """
    if network.length not in (None, length):
        raise ValueError(f"expected rows of {network.length} steps, as the network takes no others; received {length}")
    keras.utils.set_random_seed(seed)
    topology = network.topology
    time = 1 if topology.name == "one_to_one" else network.length  # of one_to_one each step is a sample
    head: keras.Layer = keras.layers.Dense(network.outputs, name="head")
    if topology.return_sequences:
        head = keras.layers.TimeDistributed(head, name="head_at_each_step")
    layers = [keras.Input((time, network.features), name="sequences")]
    for number in range(1, network.layers + 1):
        every_step = topology.return_sequences or number < network.layers
        suffix = "" if number == 1 else f"_{number}"
        if network.dropout:
            layers.append(keras.layers.Dropout(network.dropout, name=f"dropout{suffix}"))
        layers.append(keras.layers.LSTM(network.units, return_sequences=every_step, name=f"lstm{suffix}"))
    if network.dropout:
        layers.append(keras.layers.Dropout(network.dropout, name="dropout_of_head"))
    return keras.Sequential([*layers, head], name=topology.name)


def lstm_layers(model: keras.Model) -> list[keras.layers.LSTM]:
    """The LSTM layers, the first one first."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]


def head_of(model: keras.Model) -> keras.layers.Dense:
    """The output layer. It takes (batch, units) and (batch, time, units)."""
    head = model.layers[-1]
    return head.layer if isinstance(head, keras.layers.TimeDistributed) else head


def forward(model: keras.Model, inputs: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
    """The network's answer in its own units, correct for a time axis of unknown length; logits where there are classes.

    `lengths` (batch,): the real steps of each row, for a many_to_one network. The padding after them changes nothing.

    Keras 3.14 to 3.15.1 trace `TimeDistributed` over such an axis wrongly, without a warning: (1, 5, 1) gives (1, 1, 1).
    So its inner layer is applied to the whole (batch, time, units) tensor, with the same weights and the same result.
    """
    hidden = inputs
    for layer in lstm_layers(model):
        read = lengths is not None and not layer.return_sequences  # with a mask the layer returns the last real step
        mask = tf.sequence_mask(lengths, tf.shape(inputs)[1]) if read else None
        hidden = layer(hidden, mask=mask)
    return head_of(model)(hidden)


def export(model: keras.Model, network: Network, folder: Path, scaling: Scaling | None = None) -> None:
    """Write a SavedModel with `serving_default` and, for many_to_many, `step`: (item, h, c) -> (item, h, c).

    A many_to_one network of any length also takes `lengths` (batch,). The states h and c (batch, layers * units) of stacked
    layers stand side by side. The translation (`training/translation.py`) goes into `assets.extra/`.

    With a scaling, inputs and outputs are in the user's units; the state stays in the network's units. Outputs of classes are
    probabilities.

    Raises OSError where the folder cannot be written; a part of the export may then remain.
    """
    _, time, features = model.input_shape  # time None: any

    def whole(sequences: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        unit = sequences if scaling is None else scaling.inputs_to_unit(sequences)
        return _answer(forward(model, unit, lengths), sequences, network, scaling)

    signature = [tf.TensorSpec((None, time, features), tf.float32, name="sequences")]
    if takes_lengths(network):
        signature.append(tf.TensorSpec((None,), tf.int32, name="lengths"))
    archive = ExportArchive()
    archive.track(model)
    archive.add_endpoint(name="serving_default", fn=whole, input_signature=signature)
    if network.topology.return_sequences:
        _add_step(archive, model, network, scaling)
    with as_os_error():
        archive.write_out(str(folder), verbose=False)
    windows = scaling is not None and scaling.kind == "window"
    whole_row = time if windows else None
    translation.save(weights_of(model), network.topology.return_sequences, scaling, folder, network.softmax, whole_row)


def takes_lengths(network: Network) -> bool:
    """Whether `serving_default` needs to know where each row ends: the answer is that of its last step."""
    return not network.topology.per_step and network.length is None


def weights_of(model: keras.Model) -> translation.Weights:
    """The weights of the network's layers."""
    first, *upper = (translation.Layer(*(each.numpy() for each in layer.weights)) for layer in lstm_layers(model))
    head, bias = (variable.numpy() for variable in head_of(model).weights)
    return translation.Weights(*first, head, bias, tuple(upper))


@contextmanager
def as_os_error() -> Iterator[None]:
    """Turn TensorFlow's errors of writing, such as a full disk, into OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        first = error.message.removeprefix("{{").partition("}} ")[-1] or error.message  # drops the name of the operation
        raise OSError(first.splitlines()[0]) from error


def _answer(outputs: tf.Tensor, sequences: tf.Tensor, network: Network, scaling: Scaling | None) -> tf.Tensor:
    """The network's outputs in the user's units, or as probabilities."""
    if network.softmax:
        return tf.nn.softmax(outputs)
    return outputs if scaling is None else scaling.outputs_from_unit(outputs, sequences)


def _add_step(archive: ExportArchive, model: keras.Model, network: Network, scaling: Scaling | None) -> None:
    def step(item: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> dict[str, tf.Tensor]:
        output = item if scaling is None else scaling.inputs_to_unit(item)
        after: list[list[tf.Tensor]] = []
        before = zip(tf.split(h, network.layers, axis=1), tf.split(c, network.layers, axis=1), strict=True)
        for layer, state in zip(lstm_layers(model), before, strict=True):
            output, new = layer.cell(output, list(state))
            after.append(new)
        answer = _answer(head_of(model)(output), item, network, scaling)
        next_h, next_c = (tf.concat(states, axis=1) for states in zip(*after, strict=True))
        return {"item": answer, "h": next_h, "c": next_c}

    item = tf.TensorSpec((None, network.features), tf.float32, name="item")
    state = [tf.TensorSpec((None, network.layers * network.units), tf.float32, name=name) for name in ("h", "c")]
    archive.add_endpoint(name="step", fn=step, input_signature=[item, *state])
