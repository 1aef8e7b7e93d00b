"""A loaded model: takes rows of any lengths and returns their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contract.manifest import Manifest
from contract.rows import Floats, Rows, all_finite
from contract.topologies import Topology
from service.errors import NotFinite, TooFarOut
from service.runtime.grouping import Groups, group, needs_groups
from service.runtime.runtimes import Runtime


class Answer(NamedTuple):
    values: Floats  # (items,), with the lengths of the rows of the request
    in_domain: list[bool]  # (rows,): whether every item lies in the domain

    def split(self, parts: Sequence[Rows]) -> "list[Answer]":
        """One answer for each of `parts`; this is the answer to all of them end to end."""
        if len(parts) == 1:
            return [self]
        items = [0, *accumulate(len(part.values) for part in parts)]
        counts = [0, *accumulate(len(part.lengths) for part in parts)]
        values, in_domain = self
        return [Answer(values[items[n] : items[n + 1]], in_domain[counts[n] : counts[n + 1]]) for n in range(len(parts))]


class Plan(NamedTuple):
    """How to compute rows, and the expected time."""

    rows: Rows
    groups: Groups | None  # None: one call for all rows
    seconds: float


@dataclass(frozen=True, eq=False)  # compared by identity: a version may be loaded twice
class LoadedModel:
    manifest: Manifest
    runtime: Runtime

    @cached_property
    def topology(self) -> Topology:
        return self.manifest.shape

    def run(self, rows: Rows) -> Answer:
        """The answer to each row, to the last bit the same whatever the other rows are. Raises NotFinite or TooFarOut."""
        return self.answer(rows, self.compute(self.plan(rows)))

    def plan(self, rows: Rows) -> Plan:
        """Plan the calls for `compute`."""
        if self.manifest.topology == "one_to_one":
            return Plan(rows, None, self.runtime.seconds(len(rows.values), 1))
        longest = rows.longest
        if rows.uniform or not needs_groups(rows.lengths, len(rows.values), longest):
            return Plan(rows, None, self.runtime.seconds(len(rows.lengths), longest))
        groups = group(rows.lengths)
        bounds = pairwise(groups.bounds)
        seconds = sum(self.runtime.seconds(end - start, rows.lengths[groups.order[start]]) for start, end in bounds)
        return Plan(rows, groups, seconds)

    def compute(self, plan: Plan) -> Floats:
        """The first half of `run`, with nearly all of its time: (items,), not yet checked."""
        return self._call(plan.rows) if plan.groups is None else self._by_groups(plan.rows, plan.groups)

    def answer(self, rows: Rows, values: Floats) -> Answer:
        """The second half of `run`: check what `compute` returned. Raises NotFinite or TooFarOut."""
        if not all_finite(values):
            raise self._no_answer(rows, values)
        return Answer(values, self._in_domain(rows))

    def _no_answer(self, rows: Rows, values: Floats) -> Exception:
        """The error for values that are not finite: ours for a row in the domain, else the client's."""
        name, domain = f"{self.manifest.name}:{self.manifest.version}", self.manifest.domain
        lost = np.logical_or.reduceat(~np.isfinite(values), rows.starts)  # (rows,)
        if (lost & self.in_domain(rows)).any():
            return NotFinite(f"{name} answered NaN or infinity.")
        expected, received = f"items from {domain.low:g} up to {domain.high:g}", f"row {int(lost.argmax())}"
        detail = f"expected {expected}, as {name} was trained; received {received}, so far out that there is no finite answer."
        return TooFarOut(detail, expected=expected, received=received)

    def _call(self, rows: Rows) -> Floats:
        """One call for rows of similar length."""
        topology = self.topology
        lengths = None if rows.uniform or not topology.return_sequences else rows.lengths
        return topology.from_model(self.runtime.run(topology.to_model(rows), lengths), rows)

    def _by_groups(self, rows: Rows, groups: Groups) -> Floats:
        """One call for each group of rows of similar length."""
        lengths = np.array(rows.lengths)[groups.order]  # (rows,)
        ends = np.cumsum(lengths)
        # (items,): for each item of the ordered rows, its place in the original order
        places = np.repeat(rows.starts[groups.order] - (ends - lengths), lengths) + np.arange(len(rows.values))
        ordered = Rows(rows.values[places], lengths.tolist())
        values = np.empty_like(rows.values)
        values[places] = np.concatenate([self._call(part) for part in ordered.parts(groups.sizes)])
        return values

    def in_domain(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """(rows,): whether every item lies in the domain, on which the model was trained and gated."""
        domain, values = self.manifest.domain, rows.values
        inside = (values >= domain.low) & (values < domain.high)  # (items,)
        return np.logical_and.reduceat(inside, rows.starts)

    def _in_domain(self, rows: Rows) -> list[bool]:
        """`in_domain`; takes half the time if all rows are in the domain."""
        domain, values = self.manifest.domain, rows.values
        if np.minimum.reduce(values) >= domain.low and np.maximum.reduce(values) < domain.high:
            return [True] * len(rows.lengths)
        verdicts: list[bool] = self.in_domain(rows).tolist()
        return verdicts
