"""The reference: a SavedModel's own signature, by TensorFlow. The only TensorFlow in the service, and seldom loaded."""

import sys
from pathlib import Path
from typing import Any

from contract.topologies import Floats


def tensorflow() -> Any:
    """TensorFlow with one thread a call, imported when first asked for and without Keras.

    A SavedModel needs no Keras, which TensorFlow imports where it can: half a second and 100 MB.
    """
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        import tensorflow  # noqa: PLC0415

        return tensorflow
    sys.modules["keras"] = None  # type: ignore[assignment]  # what the import system takes for "cannot be imported"
    try:
        import tensorflow  # noqa: PLC0415
    finally:
        del sys.modules["keras"]
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    return tensorflow


class TensorFlowRuntime:
    """Rows of any length in one call; what pads them on the right changes nothing before it."""

    name = "tensorflow"

    def __init__(self, folder: Path) -> None:
        self._tensorflow = tensorflow()
        self._loaded = self._tensorflow.saved_model.load(str(folder))  # the signature's variables live as long as this
        self._signature = self._loaded.signatures["serving_default"]

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:  # noqa: ARG002 - the network is causal
        (outputs,) = self._signature(sequences=self._tensorflow.constant(inputs)).values()
        answer: Floats = outputs.numpy()
        return answer

    def seconds(self, rows: int, time: int) -> float:
        return 2e-4 + 1e-5 * time + 5e-7 * rows * time
