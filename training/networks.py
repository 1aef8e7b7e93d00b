"""The three networks in Keras, and their export as SavedModels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf
from keras.export import ExportArchive

from contract.topologies import Topology
from training import translation
from training.sequences.scaling import Scaling


def build(topology: Topology, units: int, length: int, seed: int) -> keras.Model:
    """An untrained network with Keras' own initialisers. The same seed gives the same weights."""
    keras.utils.set_random_seed(seed)
    time = None if topology.return_sequences else length
    if topology.name == "one_to_one":
        time = 1  # each item is a sample
    head: keras.Layer = keras.layers.Dense(topology.outputs(length), name="head")
    if topology.return_sequences:
        head = keras.layers.TimeDistributed(head, name="head_at_each_step")
    layers = [
        keras.Input((time, 1), name="sequences"),
        keras.layers.LSTM(units, return_sequences=topology.return_sequences, name="lstm"),
        head,
    ]
    return keras.Sequential(layers, name=topology.name)


def forward(model: keras.Model, inputs: tf.Tensor) -> tf.Tensor:
    """The model's answer, correct for a time axis of unknown length.

    Keras 3.14 to 3.15.1 trace `TimeDistributed` over such an axis wrongly, without a warning: (1, 5, 1) gives (1, 1, 1).
    So its inner layer is applied to the whole (batch, time, units) tensor, with the same weights and the same result.
    """
    hidden = model.get_layer("lstm")(inputs)
    head = model.layers[-1]
    return head.layer(hidden) if isinstance(head, keras.layers.TimeDistributed) else head(hidden)


def export(model: keras.Model, topology: Topology, folder: Path, scaling: Scaling | None = None) -> None:
    """Write a SavedModel with `serving_default` and, for many_to_many, `step`: (item, h, c) -> (item, h, c).

    Its translation (`training/translation.py`) goes into `assets.extra/`.

    With a scaling, inputs and outputs are in the user's units; the state stays in the network's units.

    Raises OSError where the folder cannot be written; a part of the export may then remain.
    """
    _, time, _ = model.input_shape  # None: any time

    def whole(sequences: tf.Tensor) -> tf.Tensor:
        if scaling is None:
            return forward(model, sequences)
        return scaling.outputs_from_unit(forward(model, scaling.inputs_to_unit(sequences)))

    archive = ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        name="serving_default",
        fn=whole,
        input_signature=[tf.TensorSpec((None, time, 1), tf.float32, name="sequences")],
    )
    if topology.return_sequences:
        _add_step(archive, model, scaling)
    with as_os_error():
        archive.write_out(str(folder), verbose=False)
    translation.save(weights_of(model), topology.return_sequences, scaling, folder)


def weights_of(model: keras.Model) -> translation.Weights:
    """The weights of the network's two layers."""
    return translation.Weights(*(variable.numpy() for variable in model.weights))


@contextmanager
def as_os_error() -> Iterator[None]:
    """Turn TensorFlow's errors of writing, such as a full disk, into OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        first = error.message.removeprefix("{{").partition("}} ")[-1] or error.message  # drops the name of the operation
        raise OSError(first.splitlines()[0]) from error


def _add_step(archive: ExportArchive, model: keras.Model, scaling: Scaling | None) -> None:
    lstm, head = model.get_layer("lstm"), model.layers[-1].layer

    def step(item: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> dict[str, tf.Tensor]:
        unit = item if scaling is None else scaling.inputs_to_unit(item)
        output, (h, c) = lstm.cell(unit, [h, c])
        answer = head(output)
        return {"item": answer if scaling is None else scaling.outputs_from_unit(answer), "h": h, "c": c}

    item = tf.TensorSpec((None, 1), tf.float32, name="item")  # (rows, 1)
    state = [tf.TensorSpec((None, lstm.units), tf.float32, name=name) for name in ("h", "c")]  # (rows, units)
    archive.add_endpoint(name="step", fn=step, input_signature=[item, *state])
