"""Translations of networks with random weights, small and wide: whatever they compute, ONNX Runtime must compute it alike."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from contract import translation
from contract.rows import Floats
from training.sequences.scaling import Scaling
from training.translation import Layer, Weights, save


class Network(NamedTuple):
    features: int
    units: int
    outputs: int
    per_step: bool
    layers: int = 1
    softmax: bool = False
    length: int | None = None  # of every row, which is scaled by its own mean and deviation

    def __str__(self) -> str:
        parts = [f"F{self.features}", f"{self.units}-units", "each-step" if self.per_step else "last-step"]
        parts += [f"{self.layers}-layers"] * (self.layers > 1) + ["classes"] * self.softmax + ["windows"] * bool(self.length)
        return "-".join(parts)

    @property
    def packed(self) -> "Network":
        """What computes several of its rows as one."""
        rows = translation.rows_packed(self.units)
        return Network(rows * self.features, rows * self.units, rows * self.outputs, self.per_step)


NARROW = [Network(1, 5, 1, per_step) for per_step in (True, False)]
"""So that rows are packed."""
WIDE = [Network(8, 64, 3, per_step) for per_step in (True, False)]


STACKED = [Network(3, 12, 4, per_step, layers, softmax=True) for per_step, layers in ((True, 2), (False, 2), (False, 3))]
WINDOWS = [Network(2, 12, 3, False, layers, length=7) for layers in (1, 2)]


def write(network: Network, folder: Path, scaling: Scaling | None = None, seed: int = 1) -> Path:
    """Its translation, in the version's `folder`."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)

    def drawn(*shapes: tuple[int, ...]) -> list[Floats]:
        return [rng.normal(0, network.units**-0.5, shape).astype(np.float32) for shape in shapes]

    units, outputs = network.units, network.outputs
    recurrent = (units, 4 * units), (4 * units,)
    kernel, own, bias, head, head_bias = drawn((network.features, 4 * units), *recurrent, (units, outputs), (outputs,))
    upper = tuple(Layer(*drawn((units, 4 * units), *recurrent)) for _ in range(1, network.layers))
    if network.length is not None:
        scaling = windows(network)
    weights = Weights(kernel, own, bias, head, head_bias, upper)
    save(weights, network.per_step, scaling, folder, network.softmax, network.length)
    return folder


def windows(network: Network) -> Scaling:
    """Each output is scaled back by the feature of its column."""
    low, width = np.zeros(network.features, np.float32), np.full(network.features, 1e-3, np.float32)
    columns = [output % network.features for output in range(network.outputs)]
    return Scaling("window", low, width, None, None, columns)


def domain_scaling(low: float, high: float, targets: tuple[float, float]) -> Scaling:
    """One feature and one target, whose domains become 0 to 1."""
    start, width, target_start, target_width = np.array(
        [[low], [high - low], [targets[0]], [targets[1] - targets[0]]], np.float32
    )
    return Scaling("domain", start, width, target_start, target_width, [])
