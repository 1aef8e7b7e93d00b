"""Translations of networks with random weights, small and wide: whatever they compute, ONNX Runtime must compute it alike."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from contract import translation
from training.translation import Weights, save, translate


class Network(NamedTuple):
    features: int
    units: int
    outputs: int
    per_step: bool

    def __str__(self) -> str:
        return f"F{self.features}-{self.units}-units-{'each-step' if self.per_step else 'last-step'}"


NETWORKS = [Network(*shape, per_step) for shape in ((1, 5, 1), (8, 64, 3)) for per_step in (True, False)]


def write(network: Network, folder: Path, seed: int = 1) -> Path:
    """The file of its translation, in the version's `folder`."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    features, units, outputs, per_step = network
    shapes = ((features, 4 * units), (units, 4 * units), (4 * units,), (units, outputs), (outputs,))
    weights = Weights(*(rng.normal(0, units**-0.5, shape).astype(np.float32) for shape in shapes))
    save(translate(weights, per_step, scaling=None), folder)
    return folder / translation.FILE
