"""The shapes and the runtimes that `benchmarks.engine` measures."""

from typing import Any, Final, NamedTuple


class Case(NamedTuple):
    features: int
    units: int
    length: int
    batch: int
    layers: int = 1
    classes: int = 0  # 0: a number for each step; otherwise the probabilities of a row's classes


CASES: Final = (
    Case(1, 5, 5, 1),
    Case(1, 5, 5, 64),
    Case(1, 5, 5, 1024),
    Case(1, 5, 50, 64),
    Case(1, 5, 1000, 1),
    Case(8, 64, 100, 1),
    Case(8, 64, 100, 32),
    Case(8, 64, 100, 256),
    *(Case(8, 64, 100, batch, layers=2, classes=6) for batch in (1, 32, 256)),  # the realistic model
    Case(16, 128, 200, 32),
    Case(32, 256, 50, 64),
)
OURS: Final = "ours"
CUT: Final = "onnx_cut"
CUT_ROWS: Final = 32
"""Rows of a call of CUT."""
TORCH: Final = "torch"
RUNTIMES: Final = {
    OURS: "ours",
    "onnx": "ONNX Runtime, all rows in one call",
    CUT: f"ONNX Runtime, calls of {CUT_ROWS} rows",
    TORCH: "PyTorch",
    "signature": "TensorFlow's signature",
    "xla": "XLA, compiled for the shape",
}


def of_case(case: dict[str, Any]) -> str:
    """A case of the JSON line, in words."""
    network = f"F {case['features']}, {case['units']} units"
    if case["classes"]:
        network += f", {case['layers']} layers, {case['classes']} classes"
    return f"{network}, length {case['length']}, batch {case['batch']}"


def best_other(case: dict[str, Any]) -> str:
    """The fastest runtime other than ours."""
    taken: dict[str, float] = case["ms"]
    return min(taken.keys() - {OURS}, key=lambda name: taken[name])
