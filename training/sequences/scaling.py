"""Between the user's units and the network's, which are those of [0, 1). NumPy arrays and tensors alike."""

from typing import Any, NamedTuple

import numpy as np

from contract.manifest import Domain


class Scaling(NamedTuple):
    """What is done before and after the network; no weight of it is trained."""

    inputs: Domain
    targets: Domain

    def inputs_to_unit(self, values: Any) -> Any:
        return _to_unit(values, self.inputs)

    def targets_to_unit(self, values: Any) -> Any:
        return _to_unit(values, self.targets)

    def outputs_from_unit(self, values: Any) -> Any:
        return values * width(self.targets) + np.float32(self.targets.low)

    def rounding(self) -> float:
        """What float32 may lose on the way out of [0, 1): two of its steps at the largest target."""
        return 2 * float(np.spacing(np.float32(max(abs(self.targets.low), abs(self.targets.high)))))


def width(domain: Domain) -> np.float32:
    return np.float32(domain.high) - np.float32(domain.low)


def _to_unit(values: Any, domain: Domain) -> Any:
    return (values - np.float32(domain.low)) / width(domain)
