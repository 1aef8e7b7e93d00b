"""Runs a graph with ONNX Runtime, in calls whose values stay in the processor's cache.

Cutting rows or steps changes no bit of an answer. A row's answer depends on no other row. The state at the end of a piece is
the state before the next piece.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from contract import translation
from contract.rows import Floats

Steps = npt.NDArray[np.int32]
ANSWER: Final = translation.OUTPUTS[:1]
PROVIDERS: Final = ("CUDAExecutionProvider", "CPUExecutionProvider")
CELL_STEPS: Final = 2**17
"""Most rows * steps * units of one call: 20 bytes each, so 2.5 MB, which malloc keeps (`MALLOPT` in hosting/memory.py).
Nanoseconds for a step of a row, by rows * steps * units of the call (2026-11-29, AMD EPYC, 1 MB of L2 and 32 MB of L3):

    F, units    100,000   200,000   400,000   800,000   1,600,000
    8, 64           317       317       317       356         466
    16, 128         863       886     1,027     1,168       1,919
    32, 256       2,747     2,885     3,544     3,914       5,469
"""
FEWEST_ROWS: Final = 16
"""Fewest rows of a call; a call that is still too large is cut along time, if the graph takes any time. A step reads the
weights once for all of its rows: with one row, a step of a row takes 3.5 times the time that it takes with 16 (256 units). 32
rows of 1,000 steps take 98 ms in calls of 16 rows and 62 steps, 131 in calls of 32 and 62, 174 in one call."""
CALL_SECONDS: Final = 8e-6
"""Fixed cost of a call."""


class OnnxGraph:
    """Raises OSError, ONNX Runtime's own errors, or ValueError for a graph with other inputs, outputs or shapes."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # The arena keeps the memory of the largest call; the pattern is planned again for each shape.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            file.read_bytes(),
            options,
            providers=_providers(),
            enable_fallback=0,  # a fallback would print, and serve on a device that was not chosen
        )
        inputs = tuple(given.name for given in self._session.get_inputs())
        outputs = tuple(given.name for given in self._session.get_outputs())
        if (inputs, outputs) != (translation.INPUTS, translation.OUTPUTS):
            raise ValueError(f"expected a graph of {translation.INPUTS} -> {translation.OUTPUTS}; it has {inputs} -> {outputs}")
        shapes = [given.shape for given in (*self._session.get_inputs(), self._session.get_outputs()[0])]
        match shapes:
            case [[_, time, int(features)], [_], [_, int(state)], [_, int(_)], [*_, int(_)] as answer] if len(answer) in (2, 3):
                self.features, self._state, self.per_step = features, state, len(answer) == 3
                self._whole_rows = isinstance(time, int)  # they are scaled by their own mean and deviation
            case _:
                expected = "(batch, time, F), (batch,), (batch, state) twice -> (batch, time, K) or (batch, K)"
                raise ValueError(f"expected shapes {expected}; the graph has {shapes}")
        self._layers = int(self._session.get_modelmeta().custom_metadata_map.get(translation.LAYERS, 1))
        self._units = state // self._layers
        self._zeros = np.zeros((FEWEST_ROWS, state), np.float32)

    def run(self, inputs: Floats, lengths: list[int] | None = None) -> Floats:
        """As `Runtime.run`."""
        rows, time = inputs.shape[:2]
        steps = np.full(rows, time, np.int32) if lengths is None else np.array(lengths, np.int32)
        if rows * time * self._units <= CELL_STEPS:
            return self._call(inputs, steps)
        most = max(CELL_STEPS // (time * self._units), 1 if self._whole_rows else FEWEST_ROWS)
        outputs = [self._in_pieces(inputs[at : at + most], steps[at : at + most]) for at in range(0, rows, most)]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def seconds(self, rows: int, time: int) -> float:
        """Fitted to calls of one layer, 1 to 256 rows, 1 to 1,000 steps and 5 to 256 units, within a third."""
        square = self._units * self._units
        calls = 1 + rows * time * self._units // CELL_STEPS
        layer = time * (4e-8 + 1.1e-10 * square) + rows * time * (1.1e-7 + 4.5e-11 * square)
        return calls * CALL_SECONDS + self._layers * layer

    def _in_pieces(self, inputs: Floats, steps: Steps) -> Floats:
        """Rows of one call, cut along time if they are too long; the state is carried from piece to piece."""
        rows, time = inputs.shape[:2]
        most = max(CELL_STEPS // (rows * self._units), 1)
        if time <= most or self._whole_rows:
            return self._call(inputs, steps)
        h = c = self._no_state(rows)
        outputs: list[Floats] = []
        for start in range(0, time, most):
            piece = np.ascontiguousarray(inputs[:, start : start + most])
            left = np.clip(steps - np.int32(start), 0, piece.shape[1])
            given = (piece, left, h, c)
            output, h, c = self._session.run(translation.OUTPUTS, dict(zip(translation.INPUTS, given, strict=True)))
            if not self.per_step and outputs:  # keep the output of the piece in which the row ended
                output = np.where(left[:, None] > 0, output, outputs.pop())
            outputs.append(output)
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)

    def _call(self, inputs: Floats, steps: Steps) -> Floats:
        state = self._no_state(len(inputs))
        outputs: Floats = self._session.run(ANSWER, {"sequences": inputs, "lengths": steps, "h": state, "c": state})[0]
        return outputs

    def _no_state(self, rows: int) -> Floats:
        """(rows, state), the state before the first step."""
        zeros = self._zeros  # read once: another thread may replace it
        if rows > len(zeros):
            self._zeros = zeros = np.zeros((rows, self._state), np.float32)
        return zeros[:rows]


def _providers() -> list[str]:
    """The installed providers that compute in float32, the preferred one first."""
    available = onnxruntime.get_available_providers()
    return [name for name in PROVIDERS if name in available]
