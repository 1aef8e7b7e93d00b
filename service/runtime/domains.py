"""Which rows are like those on which a model was trained and gated."""

from math import inf
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.manifest import Manifest
from contract.rows import Floats, Rows
from contract.topologies import parse_echo_name
from service.errors import OutOfDomain

MOST_STATED: Final = 200
"""Characters of the domains in a message."""


class Domains:
    """The domain of each feature, and the longest row. The length counts unless each step is a sample of its own.

    It does not count for an echo under an echo's name, whose rows beyond that length always were in the domain.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        domains = [feature.domain for feature in manifest.features]
        with np.errstate(over="ignore"):
            self._low = np.array([each.low for each in domains], np.float32)  # (F,)
            self._high = np.array([each.high for each in domains], np.float32)
        any_length = manifest.topology == "one_to_one" or parse_echo_name(manifest.name) is not None
        self._longest = inf if any_length else manifest.highest_length
        # As float32, so that comparing with a float gives the same as comparing with an array.
        self.only = (float(self._low[0]), float(self._high[0]), self._longest) if len(domains) == 1 else None

    @property
    def stated(self) -> str:
        """The values that a model expects, for a message."""
        if len(self._low) == 1:
            return "items from {0.low:g} up to {0.high:g}".format(self._manifest.features[0].domain)
        domains = (f"{each.name} from {each.domain.low:g} up to {each.domain.high:g}" for each in self._manifest.features)
        stated = f"steps of {', '.join(domains)}"
        return stated if len(stated) <= MOST_STATED else f"{stated[:MOST_STATED]} ..."

    def hold(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """(rows,): whether the domains hold each step of a row, and no row is too long."""
        held: npt.NDArray[np.bool_] = np.logical_and.reduceat(self._inside(rows.values).all(axis=1), rows.starts)
        return held if self._longest == inf else held & (np.array(rows.lengths) <= self._longest)

    def hold_all(self, rows: Rows) -> bool:
        """Whether `hold` is true for every row; takes half its time."""
        return bool(self._inside(rows.values).all()) and rows.longest <= self._longest

    def outside(self, rows: Rows) -> OutOfDomain:
        """The error for rows of which at least one is outside: names the first such row, and what is outside in it."""
        row = int(self.hold(rows).argmin())
        name, first = f"{self._manifest.name}:{self._manifest.version}", int(rows.starts[row])
        if rows.lengths[row] > self._longest:
            expected, received = f"rows of at most {self._longest} steps", f"{rows.lengths[row]} steps in row {row}"
        else:
            steps = rows.values[first : first + rows.lengths[row]]
            step, feature = (int(place) for place in np.argwhere(~self._inside(steps))[0])
            asked = self._manifest.features[feature]
            expected = f"{asked.name} from {asked.domain.low:g} up to {asked.domain.high:g}"
            received = f"{steps[step, feature]:g} in row {row}, step {step}"
        hint = "A request that is not strict is answered, and in_domain tells its rows apart."
        detail = f"expected {expected}, as {name} was trained and gated; received {received}. {hint}"
        return OutOfDomain(detail, expected=expected, received=received, row=row)

    def _inside(self, values: Floats) -> npt.NDArray[np.bool_]:
        """(items, F) -> the same shape: whether each number is in the domain of its feature."""
        inside: npt.NDArray[np.bool_] = (values >= self._low) & (values < self._high)
        return inside
