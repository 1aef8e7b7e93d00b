"""The shapes and the runtimes that `benchmarks.engine` measures."""

from typing import Any, Final, NamedTuple


class Case(NamedTuple):
    features: int
    units: int
    length: int
    batch: int


CASES: Final = (
    Case(1, 5, 5, 1),
    Case(1, 5, 5, 64),
    Case(1, 5, 5, 1024),
    Case(1, 5, 50, 64),
    Case(1, 5, 1000, 1),
    Case(8, 64, 100, 1),
    Case(8, 64, 100, 32),
    Case(8, 64, 100, 256),
    Case(16, 128, 200, 32),
    Case(32, 256, 50, 64),
)
OURS: Final = "ours"
TORCH: Final = "torch"
RUNTIMES: Final = {
    OURS: "ours",
    "onnx": "ONNX Runtime, all rows in one call",
    TORCH: "PyTorch",
    "signature": "TensorFlow's signature",
    "xla": "XLA, compiled for the shape",
}


def of_case(case: dict[str, Any]) -> str:
    """A case of the JSON line, in words."""
    return f"F {case['features']}, {case['units']} units, length {case['length']}, batch {case['batch']}"


def best_other(case: dict[str, Any]) -> str:
    """The fastest runtime other than ours."""
    taken: dict[str, float] = case["ms"]
    return min(taken.keys() - {OURS}, key=lambda name: taken[name])
