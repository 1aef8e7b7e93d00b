"""A loaded model: rows of any lengths in, their values out, laid out in the shapes that its runtime is compiled for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contract.manifest import Manifest
from contract.topologies import Floats, Rows
from service.buckets import FINE_TIMES, TIMES, most_rows, time_bucket
from service.errors import NotFinite, TooFarOut
from service.runtime import Runtime

INLINE_FLOOR = 1e-3
"""Seconds that as many items of a long row as the longest time has are taken to last at least: before that is compiled they
last ten times that."""


class Answer(NamedTuple):
    values: Floats  # (items,), under the lengths of the rows that were asked
    in_domain: list[bool]  # (rows,): whether every item lies where the model was trained and gated

    def split(self, parts: Sequence[Rows]) -> "list[Answer]":
        """The answer to each of `parts`, of which, end to end, this is the answer."""
        if len(parts) == 1:
            return [self]
        items = [0, *accumulate(len(part.values) for part in parts)]
        counts = [0, *accumulate(len(part.lengths) for part in parts)]
        values, in_domain = self
        return [Answer(values[items[n] : items[n + 1]], in_domain[counts[n] : counts[n + 1]]) for n in range(len(parts))]


@dataclass(frozen=True, eq=False)  # itself, not its equals: a version may be loaded twice
class LoadedModel:
    manifest: Manifest
    runtime: Runtime

    def run(self, rows: Rows) -> Answer:
        """Every row's answer, the same whichever rows are beside it. Raises NotFinite or TooFarOut."""
        return self.answer(rows, self.compute(rows))

    def compute(self, rows: Rows) -> Floats:
        """The first half of `run`, and nearly all of its time: (items,), whatever the model made of them."""
        longest = rows.longest
        if self.manifest.topology == "many_to_many" and (longest > TIMES[-1] or not rows.uniform):
            return self._run_by_time(rows)
        return self._run_at(rows, self._time(longest, FINE_TIMES))

    def answer(self, rows: Rows, values: Floats) -> Answer:
        """The second half: what `compute` gave, if it is an answer. Raises NotFinite or TooFarOut."""
        # The dot product is infinite or NaN if any value is, and costs a third of looking at each.
        if not isfinite(values.dot(values)) and not np.isfinite(values).all():
            raise self._no_answer(rows, values)
        return Answer(values, self._in_domain(rows))

    def _no_answer(self, rows: Rows, values: Floats) -> Exception:
        """Whose fault it is: the model has been gated on its domain only."""
        name, domain = f"{self.manifest.name}:{self.manifest.version}", self.manifest.domain
        lost = np.logical_or.reduceat(~np.isfinite(values), rows.starts)  # (rows,)
        if (lost & self.in_domain(rows)).any():
            return NotFinite(f"{name} answered NaN or infinity.")
        expected, received = f"items from {domain.low:g} up to {domain.high:g}", f"row {int(lost.argmax())}"
        detail = (
            f"expected {expected}, on which {name} was trained; received {received}, so far out that there is no finite answer."
        )
        return TooFarOut(detail, expected=expected, received=received)

    def seconds(self, rows: Rows) -> float:
        """How long `compute` is expected to take."""
        time = self._time(rows.longest, FINE_TIMES if rows.uniform else TIMES)
        samples = len(rows.values) if self.manifest.topology == "one_to_one" else len(rows.lengths)
        if rows.longest > TIMES[-1] and self.manifest.topology == "many_to_many":
            times = sum(-(-length // TIMES[-1]) for length in rows.lengths if length > TIMES[-1])
            return times * max(self.runtime.seconds(1, TIMES[-1]), INLINE_FLOOR)
        most = most_rows(time)
        return -(-samples // most) * self.runtime.seconds(min(samples, most), time)

    def _time(self, length: int, times: tuple[int, ...]) -> int:
        """The time axis of the calls that rows of this length, or less, take part in."""
        if self.manifest.topology == "one_to_one":
            return 1
        return time_bucket(length, times) if self.manifest.shape.any_length else self.manifest.length

    def _run_at(self, rows: Rows, time: int) -> Floats:
        """Rows of at most `time` items, as many in a call as fit."""
        topology, most = self.manifest.shape, most_rows(time)
        inputs = topology.to_model(rows, time)
        outputs = [self.runtime.predict(inputs[start : start + most]) for start in range(0, len(inputs), most)]
        return topology.from_model(outputs[0] if len(outputs) == 1 else np.concatenate(outputs), rows)

    def _run_by_time(self, rows: Rows) -> Floats:
        """Rows of different lengths: those of one time together, so that padding at most doubles their work."""
        values = np.empty_like(rows.values)
        lengths = np.asarray(rows.lengths)
        times = np.array([time_bucket(length) if length <= TIMES[-1] else 0 for length in rows.lengths])
        for time in set(times.tolist()):
            chosen = times == time  # (rows,)
            items = np.repeat(chosen, lengths)  # (items,)
            group = Rows(rows.values[items], lengths[chosen].tolist())
            if time:
                values[items] = self._run_at(group, time)
            else:
                values[items] = np.concatenate([self.runtime.predict_long(row) for row in group.split()])
        return values

    def in_domain(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """(rows,): whether every item lies where the model was trained and gated."""
        domain, values = self.manifest.domain, rows.values
        inside = (values >= domain.low) & (values < domain.high)  # (items,)
        return np.logical_and.reduceat(inside, rows.starts)

    def _in_domain(self, rows: Rows) -> list[bool]:
        """`in_domain`, in half of its time where all are."""
        domain, values = self.manifest.domain, rows.values
        if np.minimum.reduce(values) >= domain.low and np.maximum.reduce(values) < domain.high:
            return [True] * len(rows.lengths)
        verdicts: list[bool] = self.in_domain(rows).tolist()
        return verdicts
