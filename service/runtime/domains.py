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
    """The domain of each feature, and the lengths of rows. A row may not be longer than any that the gate tried.

    A many_to_one row may not be shorter than any row of the data. A many_to_many model answers each step from those before
    it, so that every row begins as a short one. Lengths do not count where each step is a sample of its own, nor for an echo
    under an echo's name, which answers rows of every length that it takes.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        domains = [feature.domain for feature in manifest.features]
        with np.errstate(over="ignore"):
            self._low = np.array([each.low for each in domains], np.float32)  # (F,)
            self._high = np.array([each.high for each in domains], np.float32)
        any_length = manifest.topology == "one_to_one" or parse_echo_name(manifest.name) is not None
        self._longest = inf if any_length else manifest.highest_length
        whole_rows = manifest.topology == "many_to_one" and not any_length
        self._shortest = manifest.data.shortest if whole_rows and manifest.data is not None else 1
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
        """(rows,): whether the domains hold each step of a row, and the row is neither too short nor too long."""
        held: npt.NDArray[np.bool_] = np.logical_and.reduceat(self._inside(rows.values).all(axis=1), rows.starts)
        if self._longest == inf:
            return held
        lengths = np.array(rows.lengths)
        return held & (self._shortest <= lengths) & (lengths <= self._longest)

    def hold_all(self, rows: Rows) -> bool:
        """Whether `hold` is true for every row; takes half its time."""
        return bool(self._inside(rows.values).all()) and self.hold_lengths(rows)

    def hold_lengths(self, rows: Rows) -> bool:
        """Whether no row is too short or too long."""
        return self._shortest <= min(rows.lengths) and rows.longest <= self._longest

    def outside(self, rows: Rows) -> OutOfDomain:
        """The error for rows of which at least one is outside: names the first such row, and what is outside in it."""
        row = int(self.hold(rows).argmin())
        name, first = f"{self._manifest.name}:{self._manifest.version}", int(rows.starts[row])
        if not self._shortest <= (steps := rows.lengths[row]) <= self._longest:
            bound = f"least {self._shortest}" if steps < self._shortest else f"most {self._longest}"
            expected, received = f"rows of at {bound} steps", f"{steps} steps in row {row}"
        else:
            values = rows.values[first : first + steps]
            step, feature = (int(place) for place in np.argwhere(~self._inside(values))[0])
            asked = self._manifest.features[feature]
            expected = f"{asked.name} from {asked.domain.low:g} up to {asked.domain.high:g}"
            received = f"{values[step, feature]:g} in row {row}, step {step}"
        hint = "A request that is not strict is answered, and in_domain tells its rows apart."
        detail = f"expected {expected}, as {name} was trained and gated; received {received}. {hint}"
        return OutOfDomain(detail, expected=expected, received=received, row=row)

    def _inside(self, values: Floats) -> npt.NDArray[np.bool_]:
        """(items, F) -> the same shape: whether each number is in the domain of its feature."""
        inside: npt.NDArray[np.bool_] = (values >= self._low) & (values < self._high)
        return inside
