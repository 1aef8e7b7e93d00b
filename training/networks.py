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
    """An untrained network; the same seed gives the same weights. Keeps Keras' own initialisers."""
    keras.utils.set_random_seed(seed)
    time = None if topology.return_sequences else length
    if topology.name == "one_to_one":
        time = 1  # every item is a sample of its own
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
    """The model's answer, right for a time axis that is only known when it runs.

    Keras 3.14 to 3.15.1 trace `TimeDistributed` over such an axis wrongly, without a warning: (1, 5, 1) gives (1, 1, 1).
    Its inner layer applied to the whole (batch, time, units) tensor has the same weights and does the same mathematics.
    """
    hidden = model.get_layer("lstm")(inputs)
    head = model.layers[-1]
    return head.layer(hidden) if isinstance(head, keras.layers.TimeDistributed) else head(hidden)


def export(model: keras.Model, topology: Topology, folder: Path, scaling: Scaling | None = None) -> None:
    """Write a SavedModel with `serving_default` and, for many_to_many, `step`: (item, h, c) -> (item, h, c).

    Its translation (`training/translation.py`) goes into `assets.extra/`.

    With a scaling all take and give the user's units, and the state stays the network's. Without one nothing is added.

    Raises OSError where it cannot be written; the folder may then hold a part of it.
    """
    _, time, _ = model.input_shape  # None where any time is taken

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
    """Of the network's two layers."""
    return translation.Weights(*(variable.numpy() for variable in model.weights))


@contextmanager
def as_os_error() -> Iterator[None]:
    """TensorFlow writes files by itself and has errors of its own for a full disk; in this block they are OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        first = error.message.removeprefix("{{").partition("}} ")[-1] or error.message  # without the name of its operation
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
