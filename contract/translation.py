"""The translation: a version's function as one ONNX graph, in the SavedModel's folder for what others add to it.

One graph answers whole sequences, ragged batches and single steps:

    sequences (batch, time, F), lengths (batch,) int32, h (batch, units), c (batch, units)
    -> outputs (batch, time, K), or (batch, K) where time is gone; next_h, next_c (batch, units)

`h` and `c` are the state before the first step, zeros at the start of a sequence. A row ends after `lengths` steps: what is
behind them is padding, and changes nothing.
"""

from typing import Final

FILE: Final = "assets.extra/model.onnx"
INPUTS: Final = ("sequences", "lengths", "h", "c")
OUTPUTS: Final = ("outputs", "next_h", "next_c")
