"""Runs a version's translation: the plain graph, or the packed graph, which computes several rows as one.

Packing pays where the layer is narrow and the rows are many.
"""

import logging
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np

from contract import translation
from contract.rows import Floats
from service.runtime.onnx_graph import OnnxGraph

logger = logging.getLogger(__name__)
FEWEST_STEPS: Final = 128
"""Fewest steps of all rows together for packing: with fewer, arranging the rows takes the time that packing saves."""


class OnnxRuntime:
    """`folder` is the version's. Raises the same as `OnnxGraph`."""

    name = "onnx"

    def __init__(self, folder: Path) -> None:
        self._plain = OnnxGraph(folder / translation.FILE)
        self._packed: OnnxGraph | None = None
        self._pack = 1  # rows that make one row of the packed graph
        if (folder / translation.PACKED).exists():
            packed = OnnxGraph(folder / translation.PACKED)
            self._pack = packed.features // self._plain.features
            if self._same(packed):
                self._packed = packed
            else:  # on this processor ONNX Runtime adds in another order; answers must be exact
                logger.warning("%s is not used: on this machine it differs from %s", translation.PACKED, translation.FILE)

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        packed = self._packed_for(len(inputs), inputs.shape[1])
        # 0 * infinity is NaN and would spread to the other rows of the pack.
        if packed is not None and (lengths is None or packed.per_step) and isfinite(inputs.max()) and isfinite(inputs.min()):
            return self._run_packed(packed, inputs)
        return self._plain.run(inputs, lengths)

    def seconds(self, rows: int, time: int) -> float:
        packed = self._packed_for(rows, time)
        return self._plain.seconds(rows, time) if packed is None else packed.seconds(-(-rows // self._pack), time)

    def _packed_for(self, rows: int, time: int) -> OnnxGraph | None:
        return self._packed if rows >= self._pack and rows * time >= FEWEST_STEPS else None

    def _run_packed(self, packed: OnnxGraph, inputs: Floats) -> Floats:
        """For rows of any lengths: the padding is computed too, and discarded."""
        return translation.unpack(packed.run(translation.pack(inputs, self._pack)), self._pack, len(inputs))

    def _same(self, packed: OnnxGraph) -> bool:
        """Whether, on this machine, packed rows give the same answers as single rows, to the last bit."""
        for rows, time in ((self._pack, 1), (2 * self._pack + 1, 7)):
            shape = (rows, time, self._plain.features)
            inputs = np.sin(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape)  # `numpy.random` would take 2 MB
            alone = np.concatenate([self._plain.run(inputs[row : row + 1]) for row in range(rows)])
            if not np.array_equal(self._run_packed(packed, inputs), alone):
                return False
        return True
