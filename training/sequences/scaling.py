"""Converts between the user's units and the network's [0, 1). Takes NumPy arrays and tensors."""

from typing import Any, NamedTuple

import numpy as np

from contract.manifest import Domain


class Scaling(NamedTuple):
    """The conversions before and after the network. They have no trained weights."""

    inputs: Domain
    targets: Domain

    def inputs_to_unit(self, values: Any) -> Any:
        return _to_unit(values, self.inputs)

    def targets_to_unit(self, values: Any) -> Any:
        return _to_unit(values, self.targets)

    def outputs_from_unit(self, values: Any) -> Any:
        return values * width(self.targets) + np.float32(self.targets.low)

    def rounding(self) -> float:
        """The largest rounding error of float32 on the way out of [0, 1): two steps at the largest target."""
        return 2 * float(np.spacing(np.float32(max(abs(self.targets.low), abs(self.targets.high)))))


def width(domain: Domain) -> np.float32:
    return np.float32(domain.high) - np.float32(domain.low)


def _to_unit(values: Any, domain: Domain) -> Any:
    return (values - np.float32(domain.low)) / width(domain)
