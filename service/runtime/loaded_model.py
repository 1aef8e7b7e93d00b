"""A loaded model: takes rows of any lengths and returns its answer to each step, or to each row.

Nearly all requests have one feature and lie in the domain, hence the short ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import inf, isfinite
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contract.manifest import Manifest
from contract.rows import Floats, Rows, all_finite
from contract.topologies import Topology
from service.errors import NotFinite, TooFarOut
from service.runtime.domains import Domains
from service.runtime.grouping import Groups, group, needs_groups
from service.runtime.runtimes import Runtime

Bools = npt.NDArray[np.bool_]
FEW: Final = 24
"""So few numbers are looked at without NumPy: 5 take 0.4 us and not 1.4 (2026-11-30)."""


class Answer(NamedTuple):
    values: Floats  # (items, K), or (rows, K) where a row has one answer
    in_domain: list[bool]  # (rows,): whether the row is like those on which the model was trained and gated

    def split(self, parts: Sequence[Rows]) -> "list[Answer]":
        """One answer for each of `parts`; this is the answer to all of them end to end."""
        if len(parts) == 1:
            return [self]
        counts = [0, *accumulate(len(part.lengths) for part in parts)]
        values, in_domain = self
        return [Answer(own, in_domain[counts[n] : counts[n + 1]]) for n, own in enumerate(cut(values, parts))]


def cut(values: Floats, parts: Sequence[Rows]) -> list[Floats]:
    """The values, (items, K) or (rows, K), of all `parts` end to end -> those of each part."""
    lines = [0, *accumulate(len(part.lengths) for part in parts)]
    if len(values) != lines[-1]:  # where there are as many items as rows, each row is one item
        lines = [0, *accumulate(len(part.values) for part in parts)]
    return [values[first:last] for first, last in pairwise(lines)]


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

    @cached_property
    def features(self) -> int:
        """F"""
        return len(self.manifest.features)

    @cached_property
    def outputs(self) -> int:
        """K"""
        return self.manifest.outputs

    @cached_property
    def widths(self) -> Floats:
        """(K,): the range of each output, for numbers: of its target; of an echo, of its feature."""
        goals = self.manifest.targets or self.manifest.features
        widths = np.array([goal.domain.high - goal.domain.low for goal in goals], np.float32)
        return np.tile(widths, self.outputs // len(widths))

    @cached_property
    def length(self) -> int | None:
        """The only length of rows that the model takes; None: any."""
        return None if self.manifest.any_length else self.manifest.length

    @cached_property
    def domains(self) -> Domains:
        return Domains(self.manifest)

    @cached_property
    def _only(self) -> tuple[float, float, float] | None:
        """The domain of the only feature, and the longest row in it."""
        return self.domains.only

    def run(self, rows: Rows) -> Answer:
        """The answer to each row, to the last bit the same whatever the other rows are. Raises NotFinite or TooFarOut."""
        return self.answer(rows, self.compute(self.plan(rows)))

    def plan(self, rows: Rows) -> Plan:
        """Plan the calls for `compute`."""
        if self.topology.name == "one_to_one":
            return Plan(rows, None, self.runtime.seconds(len(rows.values), 1))
        longest = rows.longest
        if rows.uniform or not needs_groups(rows.lengths, len(rows.values), longest):
            return Plan(rows, None, self.runtime.seconds(len(rows.lengths), longest))
        groups = group(rows.lengths)
        bounds = pairwise(groups.bounds)
        seconds = sum(self.runtime.seconds(end - start, rows.lengths[groups.order[start]]) for start, end in bounds)
        return Plan(rows, groups, seconds)

    def compute(self, plan: Plan) -> Floats:
        """The first half of `run`, with nearly all of its time: (items, K) or (rows, K), not yet checked."""
        return self._call(plan.rows) if plan.groups is None else self._by_groups(plan.rows, plan.groups)

    def answer(self, rows: Rows, values: Floats) -> Answer:
        """The second half of `run`: check what `compute` returned. Raises NotFinite or TooFarOut."""
        if not all_finite(values):
            raise self._no_answer(rows, values)
        return Answer(values, [True] * len(rows.lengths) if self._all_in_domain(rows) else self.domains.hold(rows).tolist())

    def in_domain(self, rows: Rows) -> Bools:
        """(rows,): whether every step lies in the domain, on which the model was trained and gated, and the row is neither
        shorter nor longer than those."""
        return np.ones(len(rows.lengths), np.bool_) if self._all_in_domain(rows) else self.domains.hold(rows)

    def by_row(self, how: np.ufunc, values: Any, rows: Rows) -> npt.NDArray[Any]:
        """One value for each step, (items,), or row, (rows,) -> (rows,): those of a row's steps brought together by `how`."""
        return how.reduceat(values, rows.starts) if self.topology.per_step else values

    def _no_answer(self, rows: Rows, values: Floats) -> Exception:
        """The error for values that are not finite: ours for a row in the domain, else the client's."""
        name = f"{self.manifest.name}:{self.manifest.version}"
        lost = self.by_row(np.logical_or, ~np.isfinite(values).all(axis=1), rows)  # (rows,)
        if (lost & self.in_domain(rows)).any():
            return NotFinite(f"{name} answered NaN or infinity.")
        row = int(lost.argmax())
        expected, received = self.domains.stated, f"row {row}"
        detail = f"expected {expected}, as {name} was trained; received {received}, so far out that there is no finite answer."
        return TooFarOut(detail, expected=expected, received=received, row=row)

    def _call(self, rows: Rows) -> Floats:
        """One call for rows of similar length."""
        topology = self.topology
        lengths = None if rows.uniform or topology.name == "one_to_one" else rows.lengths
        return topology.from_model(self.runtime.run(topology.to_model(rows), lengths), rows)

    def _by_groups(self, rows: Rows, groups: Groups) -> Floats:
        """One call for each group of rows of similar length."""
        lengths = np.array(rows.lengths)[groups.order]  # (rows,)
        ends = np.cumsum(lengths)
        # (items,): for each item of the ordered rows, its place in the original order
        places = np.repeat(rows.starts[groups.order] - (ends - lengths), lengths) + np.arange(len(rows.values))
        ordered = Rows(rows.values[places], lengths.tolist())
        answers = np.concatenate([self._call(part) for part in ordered.parts(groups.sizes)])
        values = np.empty_like(answers)
        values[places if self.topology.per_step else groups.order] = answers
        return values

    def _all_in_domain(self, rows: Rows) -> bool:
        """Whether all rows are; faster if there is one feature."""
        if self._only is None:
            return self.domains.hold_all(rows)
        (low, high, longest), values = self._only, rows.values.ravel()
        if len(values) <= FEW:
            numbers = values.tolist()
            inside = low <= min(numbers) and max(numbers) < high and isfinite(sum(numbers))  # only a sum shows NaN
        else:
            inside = bool(np.minimum.reduce(values) >= low and np.maximum.reduce(values) < high)
        return inside and (longest == inf or self.domains.hold_lengths(rows))
