"""The reference: runs the SavedModel's own signature with TensorFlow. The service imports TensorFlow nowhere else."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from contract.rows import Floats


def tensorflow() -> Any:
    """TensorFlow with one thread a call, imported at the first call, without Keras.

    TensorFlow imports Keras if it can, which takes half a second and 100 MB. A SavedModel does not need it.
    """
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        import tensorflow  # noqa: PLC0415

        return tensorflow
    sys.modules["keras"] = None  # type: ignore[assignment]  # the import system reads None as "cannot be imported"
    try:
        import tensorflow  # noqa: PLC0415
    finally:
        del sys.modules["keras"]
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    return tensorflow


class TensorFlowRuntime:
    """Takes rows of any lengths in one call: padding on the right changes no step before it.

    A model that answers each row after its last real step has the rows' lengths as an input.
    """

    name = "tensorflow"

    def __init__(self, folder: Path) -> None:
        self._tensorflow = tensorflow()
        self._loaded = self._tensorflow.saved_model.load(str(folder))  # keeps the signature's variables alive
        self._signature = self._loaded.signatures["serving_default"]
        self._takes_lengths = "lengths" in self._signature.structured_input_signature[1]

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        given = {"sequences": self._tensorflow.constant(inputs)}
        if self._takes_lengths:
            steps = np.full(len(inputs), inputs.shape[1]) if lengths is None else lengths
            given["lengths"] = self._tensorflow.constant(steps, self._tensorflow.int32)
        (outputs,) = self._signature(**given).values()
        answer: Floats = outputs.numpy()
        return answer

    def seconds(self, rows: int, time: int) -> float:
        return 2e-4 + 1e-5 * time + 5e-7 * rows * time
