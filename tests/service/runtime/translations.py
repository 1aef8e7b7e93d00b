"""Translations of networks with random weights, small and wide: whatever they compute, ONNX Runtime must compute it alike."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from contract import translation
from training.sequences.scaling import Scaling
from training.translation import Weights, save


class Network(NamedTuple):
    features: int
    units: int
    outputs: int
    per_step: bool

    def __str__(self) -> str:
        return f"F{self.features}-{self.units}-units-{'each-step' if self.per_step else 'last-step'}"

    @property
    def packed(self) -> "Network":
        """What computes several of its rows as one."""
        rows = translation.rows_packed(self.units)
        return Network(rows * self.features, rows * self.units, rows * self.outputs, self.per_step)


NARROW = [Network(1, 5, 1, per_step) for per_step in (True, False)]
"""So that rows are packed."""
WIDE = [Network(8, 64, 3, per_step) for per_step in (True, False)]


def write(network: Network, folder: Path, scaling: Scaling | None = None, seed: int = 1) -> Path:
    """Its translation, in the version's `folder`."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    features, units, outputs, per_step = network
    shapes = ((features, 4 * units), (units, 4 * units), (4 * units,), (units, outputs), (outputs,))
    save(Weights(*(rng.normal(0, units**-0.5, shape).astype(np.float32) for shape in shapes)), per_step, scaling, folder)
    return folder
