"""The model of all peers: the SavedModel's translation in ONNX Runtime, with one thread, for rows of one length."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Model:
    """`folder` is the version's. A classifier's classes come from the manifest, if there is one."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        file = folder / "assets.extra" / "model.onnx"
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._state = self._session.get_inputs()[2].shape[1]  # layers * units
        manifest = folder / "manifest.json"
        self._classes: list[str] = json.loads(manifest.read_text())["classes"] if manifest.exists() else []

    def __call__(self, sequences: Any) -> Any:
        """(rows, time) numbers to (rows, time) float32; (rows, time, F) to (rows, time, K), or (rows, K) of many_to_one."""
        inputs = np.asarray(sequences, np.float32)
        steps = inputs if inputs.ndim == 3 else inputs[..., None]  # (rows, time, F)
        rows, time, _ = steps.shape
        state = np.zeros((rows, self._state), np.float32)
        lengths = np.full(rows, time, np.int32)
        (outputs,) = self._session.run(["outputs"], {"sequences": steps, "lengths": lengths, "h": state, "c": state})
        return outputs if inputs.ndim == 3 else outputs[..., 0]

    def answer(self, sequences: Any) -> dict[str, Any]:
        """The answer as a document; its numbers are an array."""
        outputs = self(sequences)
        if not self._classes:
            return {"sequences": outputs}
        labels = [self._classes[number] for number in outputs.argmax(axis=1)]
        return {"labels": labels, "probabilities": outputs}

    def plain_answer(self, sequences: Any) -> dict[str, Any]:
        """The same with lists, for a library that writes JSON itself."""
        return {name: np.asarray(values).tolist() for name, values in self.answer(sequences).items()}


def load(folder: str | None = None) -> Model:
    """The model in `folder`; by default in the folder that MODEL names."""
    return Model(Path(folder or os.environ["MODEL"]))
