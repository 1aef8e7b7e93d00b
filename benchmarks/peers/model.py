"""The model of all peers: the SavedModel's translation in ONNX Runtime, with one thread, for rows of one length."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Model = Callable[[Any], Any]


def load(folder: str | None = None) -> Model:
    """A function: (rows, time) numbers to (rows, time) float32, or with several features (rows, time, F) to (rows, time, K)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    file = Path(folder or os.environ["MODEL"]) / "assets.extra" / "model.onnx"
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    units = session.get_inputs()[2].shape[1]

    def model(sequences: Any) -> Any:
        inputs = np.asarray(sequences, np.float32)
        steps = inputs if inputs.ndim == 3 else inputs[..., None]  # (rows, time, F)
        rows, time, _ = steps.shape
        state = np.zeros((rows, units), np.float32)
        lengths = np.full(rows, time, np.int32)
        (outputs,) = session.run(["outputs"], {"sequences": steps, "lengths": lengths, "h": state, "c": state})
        return outputs if inputs.ndim == 3 else outputs[..., 0]

    return model
