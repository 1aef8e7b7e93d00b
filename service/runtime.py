"""A SavedModel as something to call: arrays in, arrays out. The only TensorFlow in `service/`."""

from pathlib import Path
from typing import Any, Protocol

from contract.topologies import Floats


class Runtime(Protocol):
    """A model that can be run."""

    def predict(self, inputs: Floats) -> Floats:
        """`Topology.to_model(rows)` -> what `Topology.from_model` takes."""


class SavedModel:
    """The exported signature as TensorFlow runs it: any batch, and any time where the topology has it."""

    def __init__(self, folder: Path) -> None:
        # Not at the module's top: BentoML's supervising process imports the service too, and would pay 500 MB for it.
        import tensorflow as tf  # noqa: PLC0415

        self._tf = tf
        self._loaded: Any = tf.saved_model.load(str(folder))  # keeps the signatures' variables alive
        self._signature = self._loaded.signatures["serving_default"]
        (self._input,) = self._signature.structured_input_signature[1]
        (self._output,) = self._signature.structured_outputs

    def predict(self, inputs: Floats) -> Floats:
        outputs: Floats = self._signature(**{self._input: self._tf.constant(inputs)})[self._output].numpy()
        return outputs
