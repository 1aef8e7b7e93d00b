"""Chooses what runs a version: ONNX Runtime for its translation, or TensorFlow for the SavedModel."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from contract import translation
from contract.rows import Floats

RuntimeChoice = Literal["auto", "onnx", "tensorflow"]


class CannotRun(Exception):
    """No installed runtime can run the version; the message says why, and what to do."""


class Runtime(Protocol):
    """A version as a function. Takes any batch and any time; may be called in any thread."""

    name: str

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        """(batch, time, F) -> (batch, time, K), or (batch, K) for many_to_one.

        `lengths`: steps of each row, the rest is padding; None: no row has padding.
        """

    def seconds(self, rows: int, time: int) -> float:
        """Expected time of `run`, within a factor of two or three on most machines."""


def load(folder: Path, choice: RuntimeChoice = "auto") -> Runtime:
    """The runtime of the version in `folder`. Raises CannotRun, or the library's own error for an unreadable file."""
    translated = (folder / translation.FILE).exists()
    if choice == "onnx" and not translated:
        raise CannotRun(f"it has no translation ({translation.FILE}), and UNROLL_RUNTIME is onnx. Train it again.")
    if choice == "onnx" or (choice == "auto" and translated):
        from service.runtime.onnx_runtime import OnnxRuntime  # noqa: PLC0415 - a worker imports only the library that it needs

        return OnnxRuntime(folder)
    if find_spec("tensorflow") is None:
        why = "UNROLL_RUNTIME is tensorflow" if choice == "tensorflow" else f"it has no translation ({translation.FILE})"
        raise CannotRun(
            f"{why}, and TensorFlow is not installed. Train it again, or use the image built with VARIANT=tensorflow."
        )
    from service.runtime.tensorflow_runtime import TensorFlowRuntime  # noqa: PLC0415

    return TensorFlowRuntime(folder)
