"""The translation: a version's function as one ONNX graph, in the SavedModel's folder for additional files.

The graph answers whole sequences, ragged batches and single steps:

    sequences (batch, time, F), lengths (batch,) int32, h (batch, state), c (batch, state)
    -> outputs (batch, time, K), or (batch, K) where time is gone; next_h, next_c (batch, state)

`h` and `c` are the state before the first step, zeros at the start of a sequence. The states of stacked layers stand side by
side: state = layers * units. A row ends after `lengths` steps; the rest is padding and does not change the answer. K outputs
of a row, where time is gone, are those of its last step.

Where `time` is a number in the graph, the graph scales each row by its own mean and deviation. Such a graph takes whole rows
of that length only.

A second graph, for one narrow layer, computes n rows as one row with n times the features, units and outputs. A step of ONNX
Runtime's operator costs about as much for 40 units as for 5. The answers are equal to the last bit. Networks of several
layers, with scaling by row, or with classes have no such graph.
"""

from typing import Final

import numpy as np

from contract.rows import Floats

FILE: Final = "assets.extra/model.onnx"
PACKED: Final = "assets.extra/packed.onnx"
INPUTS: Final = ("sequences", "lengths", "h", "c")
OUTPUTS: Final = ("outputs", "next_h", "next_c")
LAYERS: Final = "layers"
"""The key of the number of layers in the metadata of the file."""
PACKED_UNITS: Final = 40
"""Most units in a row of the packed graph. Nanoseconds per step and row, unpacked and with 2, 4, 8 and 12 rows in one
(2026-11-29, AMD EPYC): 117, 64, 40, 29, 31 with 5 units; 102, 62, 45, 44, 50 with 8; 121, 93, 89 with 16; 171, 177 with 32."""


def rows_packed(units: int) -> int:
    """How many rows the packed graph takes as one; 1 where there is no packed graph."""
    return max(PACKED_UNITS // units, 1)


def pack(inputs: Floats, rows: int) -> Floats:
    """(batch, time, F) -> (batch / rows, time, rows * F): `rows` rows become one; zeros fill the last."""
    batch, time, features = inputs.shape
    packed = -(-batch // rows)
    if batch % rows:
        inputs = np.concatenate([inputs, np.zeros((packed * rows - batch, time, features), np.float32)])
    return np.ascontiguousarray(inputs.reshape(packed, rows, time, features).swapaxes(1, 2)).reshape(packed, time, -1)


def unpack(outputs: Floats, rows: int, batch: int) -> Floats:
    """The packed graph's outputs for `batch` rows -> (batch, time, K), or (batch, K) where time is gone."""
    packed = len(outputs)
    if outputs.ndim == 2:
        return outputs.reshape(packed * rows, -1)[:batch]
    time = outputs.shape[1]
    apart = outputs.reshape(packed, time, rows, -1).swapaxes(1, 2)  # (packed, rows, time, K)
    return np.ascontiguousarray(apart).reshape(packed * rows, time, -1)[:batch]
